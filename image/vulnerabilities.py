#!/usr/bin/env python3
"""Known vulnerabilities of the image's Debian packages, by debsecan, which asks Debian's security tracker.

vulnerabilities.py     one a line; exit status 3: the tracker does not answer

What vex.json says does not concern the image is left out. Crates are judged by `cargo deny check advisories`.
A package from another suite than trixie is judged by trixie's data, and may be named in vain. Vulnerabilities
are known by source package, which the cached packages state: without a cache some are missed, and that is
said.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from locks import HERE, Row, read_lock
from security import UNREACHABLE, control

# The packages that the image has.
SHIPPED = ("root", "initramfs")


def status(rows: Iterable[Row]) -> str:
    """A dpkg status file in which exactly these packages are installed."""
    stanzas = []
    for row in rows:
        lines = [f"Package: {row['package']}", "Status: install ok installed", f"Version: {row['version']}"]
        if source := control(row).get("Source"):
            lines.append(f"Source: {source}")
        stanzas.append("\n".join([*lines, f"Architecture: {row['architecture']}", ""]))
    return "\n".join(stanzas)


def answered(document: dict[str, Any]) -> set[tuple[str, str]]:
    """(vulnerability, package) of what needs no attention."""
    found = set()
    for statement in document["statements"]:
        if statement["status"] in ("not_affected", "fixed"):
            for part in (part for product in statement["products"] for part in product["subcomponents"]):
                found.add((statement["vulnerability"]["name"], part["@id"].partition("@")[0].rpartition("/")[2]))
    return found


def known(told: str, quiet: set[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """(vulnerability, package, what is said of it) of debsecan's lines."""
    for line in told.splitlines():
        name, package, *words = line.split(" ", 2)
        if (name, package) not in quiet:
            yield name, package, " ".join(words)


def main() -> None:
    rows = {row["package"]: row for name in SHIPPED for row in read_lock(name)}.values()
    blind = sum(not control(row) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "status")
        file.write_text(status(rows))
        asked = subprocess.run(["debsecan", "--suite", "trixie", "--status", file], capture_output=True, text=True, check=False)
    if asked.returncode:
        print(f"SKIPPED: known vulnerabilities: debsecan says: {asked.stderr.strip()}", file=sys.stderr)
        sys.exit(UNREACHABLE)
    found = sorted(set(known(asked.stdout, answered(json.loads((HERE / "vex.json").read_text())))))
    for name, package, words in found:
        print(f"{name}  {package}  {words}".rstrip())
    print(f"{len(found)} known vulnerabilities in {len(rows)} packages")
    if blind:
        print(f"the cache lacks {blind} packages: of those, other names of their source are not known")


if __name__ == "__main__":
    main()
