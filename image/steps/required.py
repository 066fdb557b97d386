#!/usr/bin/env python3
"""What a board must have is in the image, and no pattern of modules.list is in vain.

    required.py REQUIRED PATTERNS CONFIG MODULES TREE...

REQUIRED: image/required.list. PATTERNS: image/modules.list. CONFIG: the kernel's configuration. MODULES: the
image's folder of modules. TREE: the boards' device trees, as they ship. Says everything that is missing, and
fails.
"""

import fnmatch
import pathlib
import sys

from board import compatibles, name


def main() -> None:
    required, patterns, config, modules, *trees = sys.argv[1:]
    paths = drivers(pathlib.Path(modules))
    there = {name(path) for path in paths} | set(pathlib.Path(config).read_text().splitlines())
    devices = {tree: compatibles(tree) for tree in trees}
    said = missing(pathlib.Path(required).read_text(), there, devices)
    said += in_vain(pathlib.Path(patterns).read_text(), paths)
    for line in said:
        print(f"gate: {line}", file=sys.stderr)
    sys.exit(bool(said))


def drivers(modules: pathlib.Path) -> list[str]:
    """Every driver of the image by its path: its modules, and what is built into the kernel."""
    listed = [line.partition(":")[0] for line in (modules / "modules.dep").read_text().splitlines()]
    return listed + (modules / "modules.builtin").read_text().split()


def missing(required: str, there: set[str], devices: dict[str, set[str]]) -> list[str]:
    """What image/required.list names and the image lacks."""
    said = []
    rows = [line.split(None, 2) for line in required.splitlines() if line.strip() and line[0] != "#"]
    for driver, device, purpose in rows:
        if driver not in there and driver.replace("-", "_") not in there:
            said.append(f"no driver {driver} in the image: {purpose} (image/required.list)")
        for tree, named in devices.items():
            if device != "-" and device not in named:
                said.append(f"{tree} names no {device}: {purpose} (image/required.list)")
    if len(rows) < 10:
        said.append("image/required.list is not what it was: fewer than 10 rows")
    return said


def in_vain(patterns: str, paths: list[str]) -> list[str]:
    """Patterns of image/modules.list that match neither a module nor a driver built into the kernel."""
    known = [path.removeprefix("kernel/").split(".ko")[0] for path in paths]
    wanted = [line.strip() for line in patterns.splitlines() if line.strip() and line[0] != "#"]
    return [
        f"image/modules.list: {pattern} matches no module and nothing built in" for pattern in wanted if not fnmatch.filter(known, pattern)
    ]


if __name__ == "__main__":
    main()
