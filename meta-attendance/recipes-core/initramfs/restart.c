// SPDX-License-Identifier: MIT
/* restart ARGUMENT: restarts at once, and passes the argument on to the firmware ("0 tryboot": the other slot, once). */
#include <linux/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **words)
{
	if (count != 2)
		return 64;
	sync();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART2, words[1]);
	return 1;
}
