"""Plays the part of the Raspberry Pi 5's EEPROM: which boot slot of a disk image starts, and with what.

Reads the image as the firmware reads the card: the GPT, `autoboot.txt` in the first FAT partition, then
`config.txt` and what it names in the partition chosen. A kernel that gzip packed is unpacked, as by the
firmware. A board with a customer key starts what lies in a `boot.img` whose `boot.sig` fits that key, and
nothing else. Known limits: only the keys this image uses; no overlays, no PARTITION_WALK.
"""

import dataclasses
import hashlib
import pathlib
import re
import struct
import subprocess
import tempfile
from collections.abc import Callable

import vmlinuz

# What open() takes.
StrPath = str | pathlib.Path

SECTOR = 512


class BootError(Exception):
    """What the EEPROM would have stopped at."""


@dataclasses.dataclass(frozen=True)
class Firmware:
    """An EEPROM: when it was built (seconds since 1970), and whether it reports the boot partition. Those
    before 2024-05-13 report 0."""

    built: int
    reports_partition: bool


# Of 2025-11-05 and of 2023-10-30.
NEW = Firmware(1762300800, True)
OLD = Firmware(1698624000, False)


@dataclasses.dataclass
class Boot:
    """One boot as the firmware would do it."""

    partition: int
    tryboot: bool
    kernel: pathlib.Path
    initramfs: pathlib.Path
    cmdline: str
    # Whether the firmware verified it.
    signed: bool = False


def partitions(image: StrPath) -> dict[int, tuple[int, int]]:
    """{number: (first byte, length)} of a disk image's GPT."""
    with open(image, "rb") as disk:
        disk.seek(SECTOR)
        header = disk.read(92)
        if header[:8] != b"EFI PART":
            raise BootError("no GPT")
        table, count, size = struct.unpack_from("<QII", header, 72)
        disk.seek(table * SECTOR)
        entries = disk.read(count * size)
    found = {}
    for number in range(count):
        kind, first, last = entries[number * size : number * size + 16], *struct.unpack_from("<QQ", entries, number * size + 32)
        if kind != bytes(16):
            found[number + 1] = (first * SECTOR, (last - first + 1) * SECTOR)
    return found


def read(image: StrPath, partition: int, path: str) -> bytes | None:
    """A file's content from a FAT partition of the image; None when it is not there."""
    offset, _ = partitions(image)[partition]
    return read_fat(f"{image}@@{offset}", path)


def read_fat(image: StrPath, path: str) -> bytes | None:
    """A file's content from a FAT image; None when it is not there."""
    done = subprocess.run(["mtype", "-i", str(image), f"::{path}"], capture_output=True, check=False)
    return None if done.returncode else done.stdout


def write(image: StrPath, partition: int, path: str, content: bytes) -> None:
    """Put a file into a FAT partition of the image, as a technician's laptop would."""
    offset, _ = partitions(image)[partition]
    subprocess.run(["mcopy", "-o", "-i", f"{image}@@{offset}", "-", f"::{path}"], input=content, check=True, capture_output=True)


def flip_bit(image: StrPath, partition: int, byte: int = 1024 + 64) -> None:
    """Corruption of a root partition: one bit, where not said otherwise of its EROFS superblock (at 1024), in
    the label that nothing reads."""
    offset, _ = partitions(image)[partition]
    with open(image, "r+b") as card:
        card.seek(offset + byte)
        read = card.read(1)[0]
        card.seek(-1, 1)
        card.write(bytes([read ^ 1]))


def listing(image: StrPath, partition: int) -> list[str]:
    """Names of the files at the top of a FAT partition."""
    offset, _ = partitions(image)[partition]
    done = subprocess.run(["mdir", "-b", "-i", f"{image}@@{offset}", "::"], capture_output=True, text=True, check=True)
    return sorted(line.removeprefix("::/") for line in done.stdout.split("\n") if line)


def settings(text: bytes, sections: set[str]) -> dict[str, str]:
    """The settings of a config.txt or autoboot.txt whose section is in force, later lines winning."""
    found, active = {}, True
    for whole in text.decode().splitlines():
        line = whole.split("#")[0].strip()
        if line.startswith("["):
            active = line.strip("[]") in sections
        elif active and line.startswith("initramfs "):
            found["initramfs"] = line.split()[1]
        elif active and "=" in line:
            key, _, value = line.partition("=")
            found[key.strip()] = value.strip()
    return found


def verify(image: bytes, signature: bytes, customer_key: StrPath) -> None:
    """BootError unless boot.sig names this boot.img and is signed with the customer key (PEM, public)."""
    found = re.fullmatch(rb"([0-9a-f]{64})\nts: \d+\nrsa2048: ([0-9a-f]{512})\n", signature)
    if not found:
        raise BootError("boot.sig has not the form of a signature")
    if found[1].decode() != hashlib.sha256(image).hexdigest():
        raise BootError("boot.sig has another hash than boot.img")
    with tempfile.NamedTemporaryFile() as rsa:
        rsa.write(bytes.fromhex(found[2].decode()))
        rsa.flush()
        command = ["openssl", "dgst", "-sha256", "-verify", str(customer_key), "-signature", rsa.name]
        if subprocess.run(command, input=image, capture_output=True, check=False).returncode:
            raise BootError("boot.sig is not signed with the board's customer key")


def slot(image: StrPath, partition: int, folder: pathlib.Path, customer_key: StrPath | None) -> Callable[[str], bytes | None]:
    """How a slot's files are read: loose, or out of its boot.img."""
    config = settings(read(image, partition, "config.txt") or b"", {"all", "pi5"})
    if not customer_key and config.get("boot_ramdisk") != "1":
        return lambda path: read(image, partition, path)
    content = read(image, partition, "boot.img")
    if content is None:
        raise BootError(f"partition {partition} has no boot.img")
    if customer_key:
        signature = read(image, partition, "boot.sig")
        if signature is None:
            raise BootError(f"partition {partition} has no boot.sig")
        verify(content, signature, customer_key)
    ramdisk = folder / "boot.img"
    ramdisk.write_bytes(content)
    return lambda path: read_fat(ramdisk, path)


def boot(image: StrPath, tryboot: bool, folder: StrPath, customer_key: StrPath | None = None) -> Boot:
    """What the firmware would load now. `tryboot`: the one-shot flag that `reboot "0 tryboot"` sets. Files go
    to `folder`. `customer_key`: a PEM file with the public key whose hash the board has in OTP."""
    sections = {"all", "tryboot"} if tryboot else {"all", "none"}
    autoboot = read(image, 1, "autoboot.txt")
    if autoboot is None or len(autoboot) > SECTOR:
        raise BootError("autoboot.txt is missing or longer than the 512 bytes that the firmware reads")
    chosen = settings(autoboot, sections)
    if chosen.get("tryboot_a_b") != "1":
        raise BootError("autoboot.txt does not switch A/B on")
    partition = int(chosen["boot_partition"])
    folder = pathlib.Path(folder)
    read_slot = slot(image, partition, folder, customer_key)
    config = read_slot("config.txt")
    if config is None:
        raise BootError(f"no config.txt in partition {partition}")
    config = settings(config, {"all", "pi5"})
    for name in ("kernel", "initramfs"):
        content = read_slot(config[name])
        if content is None:
            raise BootError(f"partition {partition} has no {config[name]}, which its config.txt names")
        try:
            (folder / name).write_bytes(vmlinuz.started(content) if name == "kernel" else content)
        except vmlinuz.NotAKernel as error:
            raise BootError(f"{config[name]} of partition {partition}: {error}") from error
    cmdline = read_slot(config.get("cmdline", "cmdline.txt"))
    return Boot(partition, tryboot, folder / "kernel", folder / "initramfs", (cmdline or b"").decode().strip(), bool(customer_key))


def committed(image: StrPath) -> str:
    """The slot that autoboot.txt commits to: what starts without a flag."""
    return {"2": "A", "3": "B"}[settings(read(image, 1, "autoboot.txt"), {"all", "none"})["boot_partition"]]


def device_tree(boot_: Boot, blob: StrPath, firmware: Firmware = NEW) -> None:
    """Add what the firmware tells Linux (/chosen/bootloader) to the board's device tree `blob`."""

    def put(*arguments: str) -> None:
        subprocess.run(["fdtput", *arguments], check=True)

    put("-c", str(blob), "/chosen/bootloader")
    put("-t", "u", str(blob), "/chosen/bootloader", "partition", str(boot_.partition if firmware.reports_partition else 0))
    put("-t", "u", str(blob), "/chosen/bootloader", "build-timestamp", str(firmware.built))
    put("-t", "u", str(blob), "/chosen/bootloader", "tryboot", str(int(boot_.tryboot)))
    if boot_.signed:
        # Bits that say how the board is locked: anything but zero. Which ones a Pi sets nobody has seen here.
        put("-t", "u", str(blob), "/chosen/bootloader", "signed", "1")
