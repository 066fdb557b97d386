#!/usr/bin/env python3
"""Keep of a kernel's modules what image/modules.list names, and what those depend on.

    modules.py ROOT ABI LIST [ALIASES]

With ALIASES, the names of all devices that the whole kernel has a module for are written there
(steps/board.py). Runs depmod before (to learn the dependencies) and after. Prints how much is kept. A pattern
that matches no module is not an error here: the driver may be built in, which steps/required.py looks at. (A
`?` before a pattern is for steps/required.py alone.)
"""

import fnmatch
import pathlib
import subprocess
import sys


def main() -> None:
    root, abi, wanted, *aliases = sys.argv[1:]
    modules = pathlib.Path(root, "usr/lib/modules", abi)
    depmod(root, abi)
    for path in aliases:
        pathlib.Path(path).write_bytes((modules / "modules.alias").read_bytes())
    depends = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needs = line.partition(":")
        depends[path] = needs.split()
    soft = softdeps(modules / "modules.softdep")
    by_name = {name(path): path for path in depends}
    patterns = [line.strip().lstrip("?") for line in pathlib.Path(wanted).read_text().splitlines() if line.strip() and line[0] != "#"]
    queue = [
        path
        for path in depends
        if path.startswith("updates/")
        or any(fnmatch.fnmatch(path.removeprefix("kernel/").split(".ko")[0], pattern) for pattern in patterns)
    ]
    keep = set()
    while queue:
        path = queue.pop()
        if path not in keep:
            keep.add(path)
            queue += depends[path]
            queue += [by_name[soft_name] for soft_name in soft.get(name(path), []) if soft_name in by_name]
    for path in depends.keys() - keep:
        (modules / path).unlink()
    for folder in sorted((p for p in modules.rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    depmod(root, abi)
    size = sum((modules / path).stat().st_size for path in keep) / 1e6
    print(f"modules: {len(keep)} of {len(depends)} kept, {size:.1f} MB")


def depmod(root: str, abi: str) -> None:
    subprocess.run(["depmod", "--basedir", root, "--moduledir", "/usr/lib/modules", abi], check=True)


def softdeps(path: pathlib.Path) -> dict[str, list[str]]:
    """{module: modules it asks for at load time} of modules.softdep."""
    found = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["softdep"]:
            found.setdefault(words[1].replace("-", "_"), []).extend(
                word.replace("-", "_") for word in words[2:] if word not in ("pre:", "post:")
            )
    return found


def name(path: str) -> str:
    """The module's name as the kernel spells it."""
    return pathlib.PurePath(path).name.split(".ko")[0].replace("-", "_")


if __name__ == "__main__":
    main()
