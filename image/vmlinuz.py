"""The forms in which archives pack an arm64 kernel, and which of them the Raspberry Pi's firmware starts.

The firmware takes a plain image, or one that gzip packed, which it knows by its first bytes (Raspberry Pi's
documentation of `arm_64bit`). Distributions also pack kernels as programs for EFI that unpack themselves
(CONFIG_EFI_ZBOOT); of those the firmware knows nothing.
"""

import struct
import subprocess
import zlib

GZIP = b"\x1f\x8b"
# An image of 64 MiB is large.
MOST_BYTES = 256 * 1024 * 1024


class NotAKernel(Exception):
    """What is wrong with a file that should be a kernel."""


def is_image(content: bytes) -> bool:
    """Whether this is a plain arm64 image: the mark in its header."""
    return content[56:60] == b"ARM\x64"


def gunzip(content: bytes) -> bytes:
    """What gzip packed, of a bounded size."""
    packed = zlib.decompressobj(wbits=31)
    try:
        plain = packed.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise NotAKernel(f"packed by gzip, and cannot be unpacked: {error}") from error
    if not packed.eof:
        raise NotAKernel(f"packed by gzip, and cut off or larger than {MOST_BYTES >> 20} MiB")
    return plain


def started(content: bytes) -> bytes:
    """The image that the firmware starts when its boot slot holds this file."""
    return gunzip(content) if content.startswith(GZIP) else content


def for_firmware(content: bytes) -> bytes:
    """This kernel in a form that the firmware starts: as it is, or taken out of its EFI program."""
    if content[:8] == b"MZ\0\0zimg":
        offset, size = struct.unpack_from("<II", content, 8)
        packing = content[24:56].split(b"\0")[0].decode(errors="replace")
        content = content[offset : offset + size]
        if packing not in ("gzip", "zstd"):
            raise NotAKernel(f"an EFI program packed by {packing or 'nothing known'}")
        if packing == "zstd":
            # As a stream: its frame need not say how large it becomes.
            done = subprocess.run(["zstd", "-dcq", f"--memory={MOST_BYTES}"], input=content, capture_output=True, check=False)
            content = done.stdout
            if done.returncode:
                raise NotAKernel(f"an EFI program packed by zstd, and cannot be unpacked: {done.stderr.decode(errors='replace').strip()}")
    if not is_image(started(content)):
        raise NotAKernel("no arm64 image, neither plain nor packed by gzip")
    return content
