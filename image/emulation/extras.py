"""What the emulated board is given beside the image, on a disk of its own: kernel modules of the locked
kernel that only tests need, and films for the replayed camera. Nothing of it is in the image."""

import lzma
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable

import locks

from .machine import Machine

PLACE = "/run/extras"


def dependencies(module: bytes) -> list[str]:
    """The names that a compiled module states it needs."""
    stated = re.search(rb"(?:^|\0)depends=([^\0]*)\0", module)
    return [name.replace("-", "_") for name in stated[1].decode().split(",") if name] if stated else []


def unpack(modules: Iterable[str], folder: pathlib.Path) -> None:
    """Each of these modules and what it needs into `folder`, with a list NAME.order by which they are
    loaded."""
    (row,) = [row for row in locks.read_lock("root") if row["package"].startswith("linux-modules-")]
    with tempfile.TemporaryDirectory() as whole:
        subprocess.run(["dpkg-deb", "--extract", locks.cached(row), whole], check=True)
        found = {path.name.split(".ko")[0].replace("-", "_"): path for path in pathlib.Path(whole).rglob("*.ko.xz")}

        def add(name: str, order: list[str]) -> None:
            packed = found[name].read_bytes()
            for needed in dependencies(lzma.decompress(packed)):
                if needed not in order:
                    add(needed, order)
            (folder / f"{name}.ko.xz").write_bytes(packed)
            order.append(name)

        for name in modules:
            order: list[str] = []
            add(name, order)
            (folder / f"{name}.order").write_text("\n".join(order) + "\n")


def disk(machine: Machine, modules: Iterable[str], films: dict[str, pathlib.Path]) -> list[str]:
    """QEMU's options for a disk with these modules and films {name: path}."""
    folder = machine.folder / "extras"
    folder.mkdir()
    unpack(modules, folder)
    for name, path in films.items():
        shutil.copy(path, folder / name)
    size = sum(path.stat().st_size for path in folder.iterdir()) // 2**20 * 6 // 5 + 32
    image = machine.folder / "extras.img"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", folder, image, f"{size}M"], check=True)
    return ["-drive", f"if=none,id=extras,format=raw,readonly=on,file={image}", "-device", "virtio-blk-pci,drive=extras,serial=extras"]


def mount(machine: Machine) -> None:
    """Inside: the disk at PLACE."""
    machine.run(f"mkdir -p {PLACE} && mount -o ro /dev/disk/by-id/virtio-extras {PLACE}")


def load(machine: Machine, module: str) -> None:
    """Inside: the module, after what it needs; what is there already stays."""
    machine.run(
        f"for name in $(cat {PLACE}/{module}.order); do [ -d /sys/module/$name ] || insmod {PLACE}/$name.ko.xz || exit 1; done",
        timeout=120,
    )
