"""A kernel of another archive (scripts/build-image --kernel raspberrypi): where it comes from, and its lock.

The folder (`--kernel-folder`) belongs to whoever builds, and nothing of it is in the project:

    archive.sources   the archive, in apt's own format (deb822): URIs, Suites, Components, Signed-By
    packages.list     the kernel's packages that are wanted
    raspberrypi.lock  what they are; `scripts/build-image --update-lock --kernel raspberrypi` writes it

Signed-By is a file (of this folder, or with its whole path) or the key itself. There is no way to do without
a signature.
"""

import dataclasses
import pathlib
import re
import sys
import tempfile

import security
from locks import COLUMNS, Row, read_words
from resolver import Apt

SOURCES = "archive.sources"
PACKAGES = "packages.list"
LOCK = "raspberrypi.lock"
# Of what a kernel's package depends on, only its other parts are taken. The rest is for a system that
# installs its kernel itself: initramfs-tools, firmware.
PARTS = re.compile(r"linux-(image|modules)-")
# More would not be a kernel.
MOST_PACKAGES = 12


@dataclasses.dataclass(frozen=True)
class Archive:
    """An apt archive and the key that signs it."""

    address: str
    suite: str
    components: str
    key: str

    @classmethod
    def read(cls, folder: pathlib.Path) -> "Archive":
        """What archive.sources says. Other fields than these four count for nothing, `Trusted` neither."""
        path = folder / SOURCES
        if not path.is_file():
            sys.exit(f"packages.py: {path} is missing: image/README.md says what it holds (Raspberry Pi's kernel)")
        fields = stanza(path.read_text())
        for name in ("uris", "suites", "signed-by"):
            if not fields.get(name):
                sys.exit(f"packages.py: {path} has no line {name.title()}:")
        if len(fields["uris"].split()) != 1 or len(fields["suites"].split()) != 1:
            sys.exit(f"packages.py: {path} must name one address and one suite")
        if not re.fullmatch(r"https?://[^\s@]+", fields["uris"]):
            sys.exit(f"packages.py: {path}: the address must be http or https, without a password (apt takes one from auth.conf)")
        return cls(fields["uris"].rstrip("/"), fields["suites"], fields.get("components", ""), fields["signed-by"])

    def key_file(self, folder: pathlib.Path, scratch: pathlib.Path) -> pathlib.Path:
        """The key as a file with a whole path, as apt wants it."""
        if self.key.startswith("-----BEGIN PGP"):
            file = scratch / "archive.asc"
            file.write_text(self.key + "\n")
            return file
        file = folder / self.key
        if not file.is_file():
            sys.exit(f"packages.py: {file}, which {SOURCES} names in Signed-By, is missing")
        return file.resolve()


def stanza(text: str) -> dict[str, str]:
    """The first stanza of a deb822 file, by field in lower case. A value may go on in lines that begin with a
    space, an empty one being ` .`."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                break
        elif line[0] in " \t":
            more = "" if line.strip() == "." else line.strip()
            fields[name] = f"{fields[name]}\n{more}" if fields.get(name) else more
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def update(folder: pathlib.Path) -> tuple[list[Row], str]:
    """The rows of the kernel's packages as the archive has them now, and the lock's text."""
    archive = Archive.read(folder)
    asked = read_words(folder / PACKAGES)
    if not asked:
        sys.exit(f"packages.py: {folder / PACKAGES} names no package")
    with tempfile.TemporaryDirectory() as scratch:
        key = archive.key_file(folder, pathlib.Path(scratch))
        source = f"deb [arch=arm64 signed-by={key}] {archive.address} {archive.suite} {archive.components}\n"
        apt = Apt("arm64", f"{scratch}/apt", {"kernel": archive.address}, [source])
        rows = apt.resolve([], parts(apt, asked))
        releases = security.releases(apt.folder)
    # A line of its own, so whatever the archive calls itself is one line of plain text.
    origin = re.sub(r"[^\w .,'()-]+", " ", releases[0].get("Origin", "")).strip() or "unknown"
    head = [f"# resolved {security.newest_date(releases)}", f"# from {origin}", COLUMNS]
    return rows, "\n".join([*head, *("\t".join(row.values()) for row in rows)]) + "\n"


def parts(apt: Apt, asked: list[str]) -> list[str]:
    """The packages that are asked for, and those of their dependencies that are parts of the kernel."""
    found, queue = [], list(asked)
    while queue:
        package = queue.pop(0)
        if package in found:
            continue
        found.append(package)
        if len(found) > MOST_PACKAGES:
            sys.exit(f"packages.py: more than {MOST_PACKAGES} packages for one kernel: {', '.join(found)}")
        for group in security.dependencies(apt.candidate(package)):
            queue += [name for name, _, _ in group if PARTS.match(name)][:1]
    return found
