"""The locks: which packages a set asks for, what it gets, and where the cache keeps them."""

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
    for line in (HERE / "packages" / f"{name}.list").read_text().splitlines():
        for word in line.split("#")[0].split():
            if word.startswith("-"):
                left_out.add(word[1:])
            elif word.startswith("="):
                alone.append(word[1:])
            else:
                asked.append(word)
    return asked, alone, left_out


def read_lock(name: str) -> list[Row]:
    """The rows of lock/NAME.lock as dictionaries; a missing lock is empty."""
    path = HERE / "lock" / f"{name}.lock"
    if not path.exists():
        return []
    rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return [dict(zip(COLUMNS.split("\t"), row, strict=True)) for row in rows[1:]]


def lock_date(name: str) -> str:
    """The date of the newest Release file that the lock was resolved from, as a snapshot mirror spells it
    (20261122T120000Z)."""
    return re.search(r"resolved (\S+)", (HERE / "lock" / f"{name}.lock").read_text())[1]


def cached(row: Row) -> pathlib.Path:
    """Where the cache keeps this package: by content, so that a cached file can never be the wrong one."""
    return CACHE / "debs" / row["sha256"][:2] / f"{row['sha256']}.deb"
