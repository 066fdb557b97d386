#!/usr/bin/env python3
"""Take a kernel of Raspberry Pi's, as packages bring it, out of the root: what the boot slot needs of it.

    kernel.py ROOT WORK LISTS

Results: WORK/kernel/{vmlinuz,config,abi}, WORK/trees/*.dtb, WORK/overlays/*.dtbo (and the map by which the
firmware finds the right one for a board), and WORK/kernel/modules.list, put together from image/modules.list
and LISTS/modules.list. Nothing is compiled, and no tree is changed: this kernel has the drivers, trees and
overlays that steps/drivers, steps/trees and steps/overlays make for Debian's.
"""

import pathlib
import shutil
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import vmlinuz

HERE = pathlib.Path(vmlinuz.__file__).parent

# Where packages put trees and overlays, below the root: Raspberry Pi's, and Ubuntu's.
TREES = ["usr/lib/linux-image-{abi}", "usr/lib/firmware/{abi}/device-tree"]
# Every board with this processor; the image is for the first two.
BOARDS = ["bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb"]
MAP = "overlay_map.dtb"


def main() -> None:
    root, work, lists = map(pathlib.Path, sys.argv[1:])
    abi = version(root)
    out = fresh(work / "kernel")
    take_kernel(root, abi, out)
    trees, overlays = take_trees(root, abi, fresh(work / "trees"), fresh(work / "overlays"))
    drop_rest(root, abi)
    (out / "abi").write_text(f"{abi}\n")
    (out / "modules.list").write_text(merged((HERE / "modules.list").read_text(), (lists / "modules.list").read_text()))
    print(f"kernel: {abi}, {trees} trees, {overlays} overlays")


def fresh(folder: pathlib.Path) -> pathlib.Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def version(root: pathlib.Path) -> str:
    """The one kernel that is there."""
    found = sorted(path.name for path in root.glob("usr/lib/modules/*") if path.is_dir())
    if len(found) != 1:
        sys.exit(f"kernel.py: one kernel is wanted, and the packages bring {', '.join(found) or 'none'}: see the folder's packages.list")
    for needed in ("modules.builtin", "modules.order"):
        if not (root / "usr/lib/modules" / found[0] / needed).is_file():
            sys.exit(f"kernel.py: the packages of {found[0]} have no {needed}: its modules are in a package that is not in packages.list")
    return found[0]


def take_kernel(root: pathlib.Path, abi: str, out: pathlib.Path) -> None:
    """The kernel in a form that the firmware starts, and its configuration."""
    for name, target in ((f"vmlinuz-{abi}", "vmlinuz"), (f"config-{abi}", "config")):
        if not (root / "boot" / name).is_file():
            sys.exit(f"kernel.py: no /boot/{name} in the packages")
        shutil.copyfile(root / "boot" / name, out / target)
    try:
        (out / "vmlinuz").write_bytes(vmlinuz.for_firmware((out / "vmlinuz").read_bytes()))
    except vmlinuz.NotAKernel as error:
        sys.exit(f"kernel.py: /boot/vmlinuz-{abi}: {error}")


def take_trees(root: pathlib.Path, abi: str, trees: pathlib.Path, overlays: pathlib.Path) -> tuple[int, int]:
    """The boards' trees and all overlays; how many."""
    places = [root / place.format(abi=abi) for place in TREES]
    place = next((place for place in places if (place / "broadcom").is_dir()), None)
    if place is None:
        sys.exit(f"kernel.py: no device trees in the packages: neither {' nor '.join(TREES).format(abi=abi)}")
    boards = sorted((place / "broadcom").glob("bcm2712*.dtb"))
    parts = sorted([*(place / "overlays").glob("*.dtbo"), *(place / "overlays").glob(MAP)])
    names = {path.name for path in boards + parts}
    if missing := [name for name in [*BOARDS, MAP] if name not in names]:
        sys.exit(f"kernel.py: the packages have no {', '.join(missing)}")
    for path in boards + parts:
        content = path.read_bytes()
        # Cut off or of another kind, the firmware would start without it and say nothing.
        if content[:4] != b"\xd0\x0d\xfe\xed" or struct.unpack_from(">I", content.ljust(8), 4)[0] != len(content):
            sys.exit(f"kernel.py: {path.relative_to(root)} is no device tree")
        (trees if path in boards else overlays).joinpath(path.name).write_bytes(content)
    return len(boards), len(parts) - 1


def drop_rest(root: pathlib.Path, abi: str) -> None:
    """What else the packages bring and nobody on the device reads."""
    for path in root.glob(f"boot/*{abi}"):
        path.unlink()
    for place in TREES:
        shutil.rmtree(root / place.format(abi=abi), ignore_errors=True)
    modules = root / "usr/lib/modules" / abi
    for name in ("build", "source"):
        (modules / name).unlink(missing_ok=True)
    shutil.rmtree(modules / "vdso", ignore_errors=True)


def merged(common: str, own: str) -> str:
    """The common list and this kernel's own. `?PATTERN`, which may match nothing, takes the place of the
    common PATTERN."""
    optional = {line[1:] for line in lines(own) if line[0] == "?"}
    patterns = [pattern for pattern in lines(common) if pattern not in optional]
    return "\n".join(["# image/modules.list and the kernel's own (steps/kernel.py)", *patterns, *lines(own)]) + "\n"


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


if __name__ == "__main__":
    main()
