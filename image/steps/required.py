#!/usr/bin/env python3
"""What a board must have is in the image, and no pattern of modules.list is in vain.

    required.py REQUIRED PATTERNS CONFIG MODULES TREE... [OVERLAY...]

REQUIRED: image/required.list, or that of another kernel. PATTERNS: its modules.list. CONFIG: the kernel's
configuration. MODULES: the image's folder of modules. TREE: the boards' device trees (.dtb) and OVERLAY their
overlays (.dtbo), as they ship. Says everything that is missing, and fails.
"""

import fnmatch
import pathlib
import sys

from board import compatibles, name


def main() -> None:
    required, patterns, config, modules, *files = sys.argv[1:]
    paths = drivers(pathlib.Path(modules))
    there = {name(path) for path in paths} | set(pathlib.Path(config).read_text().splitlines())
    there |= {f"overlay:{pathlib.Path(file).stem}" for file in files if file.endswith(".dtbo")}
    devices = {tree: compatibles(tree) for tree in files if tree.endswith(".dtb")}
    shown = {file: file.removeprefix("/src/") for file in (required, patterns)}
    said = missing(pathlib.Path(required).read_text(), there, devices, shown[required])
    said += in_vain(pathlib.Path(patterns).read_text(), paths, shown[patterns])
    for line in said:
        print(f"gate: {line}", file=sys.stderr)
    sys.exit(bool(said))


def drivers(modules: pathlib.Path) -> list[str]:
    """Every driver of the image by its path: its modules, and what is built into the kernel."""
    listed = [line.partition(":")[0] for line in (modules / "modules.dep").read_text().splitlines()]
    return listed + (modules / "modules.builtin").read_text().split()


def missing(required: str, there: set[str], devices: dict[str, set[str]], list_: str) -> list[str]:
    """What the list of what is required names and the image lacks. `A|B`: either will do."""
    said = []
    rows = [line.split(None, 2) for line in required.splitlines() if line.strip() and line[0] != "#"]
    for driver, device, purpose in rows:
        if not any(either in there or either.replace("-", "_") in there for either in driver.split("|")):
            said.append(f"no driver {driver} in the image: {purpose} ({list_})")
        for tree, named in devices.items():
            if device != "-" and named.isdisjoint(device.split("|")):
                said.append(f"{tree} names no {device}: {purpose} ({list_})")
    if len(rows) < 10:
        said.append(f"{list_} is not what it was: fewer than 10 rows")
    return said


def in_vain(patterns: str, paths: list[str], list_: str) -> list[str]:
    """Patterns that match neither a module nor a driver built into the kernel. With a `?` before it a pattern
    may."""
    known = [path.removeprefix("kernel/").split(".ko")[0] for path in paths]
    wanted = [line.strip() for line in patterns.splitlines() if line.strip() and line[0] not in "#?"]
    return [f"{list_}: {pattern} matches no module and nothing built in" for pattern in wanted if not fnmatch.filter(known, pattern)]


if __name__ == "__main__":
    main()
