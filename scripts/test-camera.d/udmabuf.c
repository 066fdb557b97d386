/* Preloaded into the camera tests where the kernel has no /dev/udmabuf: libcamera's virtual cameras take their buffers from there.
 *
 * The device turns a piece of shared memory into a DMA buffer. No device reads these buffers, so the shared memory itself does as well:
 * it is mapped, read and written alike. While the file named by CAMERA_FREEZE exists, whoever maps a buffer to write into it hangs, as
 * a thread hangs in a driver.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int open_any(const char *symbol, const char *path, int flags, mode_t mode)
{
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, symbol);
    int fd = next(path, flags, mode);

    if (fd < 0 && strcmp(path, "/dev/udmabuf") == 0)
        fd = next("/dev/null", flags, mode);
    return fd;
}

#define OPEN(name)                                    \
    int name(const char *path, int flags, ...)        \
    {                                                 \
        va_list more;                                 \
        va_start(more, flags);                        \
        mode_t mode = va_arg(more, mode_t);           \
        va_end(more);                                 \
        return open_any(#name, path, flags, mode);    \
    }

OPEN(open)
OPEN(open64)

int ioctl(int fd, unsigned long request, ...)
{
    int (*next)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);

    int result = next(fd, request, argument);
    if (result < 0 && errno == ENOTTY && request == UDMABUF_CREATE)
        return fcntl(((struct udmabuf_create *)argument)->memfd, F_DUPFD_CLOEXEC, 0);
    if (result < 0 && errno == ENOTTY && request == DMA_BUF_IOCTL_SYNC)
        return 0;
    return result;
}

static void *map_any(const char *symbol, void *address, size_t length, int access, int flags, int fd, off64_t offset)
{
    void *(*next)(void *, size_t, int, int, int, off64_t) = dlsym(RTLD_NEXT, symbol);
    const char *freeze = getenv("CAMERA_FREEZE");

    while (freeze && fd >= 0 && (access & PROT_WRITE) && flags == MAP_SHARED && faccessat(AT_FDCWD, freeze, F_OK, 0) == 0)
        usleep(10000);
    return next(address, length, access, flags, fd, offset);
}

void *mmap(void *address, size_t length, int access, int flags, int fd, off_t offset)
{
    return map_any("mmap", address, length, access, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int access, int flags, int fd, off64_t offset)
{
    return map_any("mmap64", address, length, access, flags, fd, offset);
}
