"""The locks: which packages a set asks for, what it gets, and where the cache keeps them.

With a kernel of another archive (kernel_archive.py), KERNEL_LOCK names its lock, which whoever builds keeps.
"""

import os
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("ATTENDANCE_IMAGE_CACHE", pathlib.Path.home() / ".cache/attendance-appliance/image"))
SETS = {
    "root": "arm64",
    "initramfs": "arm64",
    "sysroot": "arm64",
    "builder-amd64": "amd64",
    "builder-arm64": "arm64",
    "signing-amd64": "amd64",
    "signing-arm64": "arm64",
}
# A line of a lock file, by column.
Row = dict[str, str]
COLUMNS = "package\tversion\tarchitecture\tsha256\tsize\tarchive\tpath"


def read_list(name: str) -> tuple[list[str], list[str], set[str]]:
    """(asked, alone, left out) of packages/NAME.list.

    `=name` takes a package without its dependencies; `-name` leaves one out that a dependency would bring.
    """
    asked, alone, left_out = [], [], set()
    for word in read_words(HERE / "packages" / f"{name}.list"):
        if word.startswith("-"):
            left_out.add(word[1:])
        elif word.startswith("="):
            alone.append(word[1:])
        else:
            asked.append(word)
    return asked, alone, left_out


def read_words(path: pathlib.Path) -> list[str]:
    """The words of a list without its comments; a missing list is empty."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [word for line in lines for word in line.split("#")[0].split()]


def lock_file(name: str) -> pathlib.Path:
    """Where the lock of a set lies; `kernel` is that of another archive's kernel."""
    return pathlib.Path(os.environ["KERNEL_LOCK"]) if name == "kernel" else HERE / "lock" / f"{name}.lock"


def has_other_kernel() -> bool:
    """Whether the image gets a kernel of another archive in place of Debian's."""
    return bool(os.environ.get("KERNEL_LOCK"))


def read_lock(name: str) -> list[Row]:
    """The rows of a lock as dictionaries; a missing lock is empty."""
    path = lock_file(name)
    if not path.exists():
        return []
    rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return [dict(zip(COLUMNS.split("\t"), row, strict=True)) for row in rows[1:]]


def image_rows(name: str) -> list[Row]:
    """The packages of a set as the image gets them: in the root, another archive's kernel stands in for
    Debian's."""
    rows = read_lock(name)
    if name != "root" or not has_other_kernel():
        return rows
    # What the list names after the kernel's version is Debian's kernel.
    debians = tuple(word.split("{")[0] for word in read_list(name)[0] if "{" in word)
    return [row for row in rows if not row["package"].startswith(debians)] + read_lock("kernel")


def lock_date(name: str) -> str:
    """The date of the newest Release file that the lock was resolved from, as a snapshot mirror spells it
    (20261122T120000Z)."""
    return re.search(r"resolved (\S+)", lock_file(name).read_text())[1]


def vendor(row: Row) -> str:
    """Who made a package: Debian, or what the other archive calls itself."""
    if row["archive"] != "kernel":
        return "Debian"
    return re.search(r"^# from (.+)", lock_file("kernel").read_text(), re.M)[1]


def cached(row: Row) -> pathlib.Path:
    """Where the cache keeps this package: by content, so that a cached file can never be the wrong one."""
    return CACHE / "debs" / row["sha256"][:2] / f"{row['sha256']}.deb"
