#!/usr/bin/env python3
"""How old the package locks are, which security updates wait for them, and where old versions are kept.

security.py report      each lock's age, and the security updates that wait; exit status 3: no mirror answers

`packages.py update --security` takes exactly the waiting updates into the locks.
"""

import datetime
import email.utils
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator

from locks import SETS, Row, cached, lock_date, read_lock
from resolver import Apt

Stanza = dict[str, str]
# Exit status of a report that could not ask a mirror.
UNREACHABLE = 3


def release_fields(text: str) -> Stanza:
    """The fields of an InRelease file that stand before its lists of files."""
    fields = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"([A-Z][A-Za-z0-9-]*): (.*)", line):
            fields.setdefault(found[1], found[2].strip())
    return fields


def newest_date(releases: Iterable[Stanza]) -> str:
    """The newest `Date:` as a snapshot archive spells it: the state that a lock was resolved from. The clock
    of this machine may be far ahead of its mirror."""
    dates = [email.utils.parsedate_to_datetime(fields["Date"].replace("UTC", "+0000")) for fields in releases if "Date" in fields]
    if not dates:
        sys.exit("packages.py: no Release file states its date")
    return max(dates).astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def snapshot_addresses(releases: Iterable[Stanza]) -> dict[str, str]:
    """{'debian': address with @SNAPSHOTID@} from the archives' own Release files, whose signatures apt
    checked."""
    found = {}
    for fields in releases:
        archive = "debian-security" if fields.get("Label") == "Debian-Security" else "debian"
        address = fields.get("Snapshots", "")
        if "@SNAPSHOTID@" in address:
            found.setdefault(archive, address.rstrip("/"))
    return found


def day_after(stamp: str) -> str:
    """A snapshot archive takes its copy some time after a Release file's date: what is not in the copy of
    that date is in that of the next day."""
    date = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ") + datetime.timedelta(days=1)
    return date.strftime("%Y%m%dT%H%M%SZ")


def stanzas(text: str) -> Iterator[Stanza]:
    """The packages of a Packages file, by field; continuation lines are left out."""
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if not line.startswith(" ") and ": " in line)
        if "Package" in fields:
            yield fields


def newer(first: str, second: str) -> bool:
    """Whether Debian's rules say that the first version is newer."""
    return subprocess.run(["dpkg", "--compare-versions", first, "gt", second], check=False).returncode == 0


def waiting(rows: Iterable[Row], offered: Iterable[Stanza]) -> dict[str, Stanza]:
    """The newest security update of each locked package that has a newer one than the lock."""
    locked = {row["package"]: row["version"] for row in rows}
    updates: dict[str, Stanza] = {}
    for stanza in offered:
        name = stanza["Package"]
        least = updates[name]["Version"] if name in updates else locked.get(name)
        if least is not None and newer(stanza["Version"], least):
            updates[name] = stanza
    return updates


def taken(rows: list[Row], updates: dict[str, Stanza], left_out: set[str], before: Callable) -> list[Row]:
    """The lock with the updates in it. `before(row)` gives the locked package's own fields.

    Refused where an update asks for what its locked version did not ask for and the lock has not got: that
    takes a whole new resolution.
    """
    fresh = [in_lock(row, updates[row["package"]]) if row["package"] in updates else row for row in rows]
    versions = {row["package"]: row["version"] for row in fresh}
    for row in rows:
        if row["package"] not in updates:
            continue
        known = {name for group in dependencies(before(row)) for name, _, _ in group}
        for group in dependencies(updates[row["package"]]):
            names = {name for name, _, _ in group}
            met = any(name in versions and fits(versions[name], relation, wanted) for name, relation, wanted in group)
            # A virtual package, or one that is left out on purpose, was asked for before as well.
            if met or names & left_out or (names & known and not names & versions.keys()):
                continue
            said = " | ".join(f"{name} {relation} {wanted}".strip() for name, relation, wanted in group)
            sys.exit(
                f"packages.py: the security update of {row['package']} needs {said}, which the lock does not have.\n"
                "Renew the whole locks: scripts/build-image --update-lock."
            )
    return fresh


def unmet(stanza: Stanza, versions: dict[str, str], left_out: set[str]) -> Iterator[str]:
    """What a package needs and these versions do not give."""
    for group in dependencies(stanza):
        met = any(name in versions and fits(versions[name], relation, wanted) for name, relation, wanted in group)
        if not met and not {name for name, _, _ in group} & left_out:
            yield " | ".join(f"{name} {relation} {wanted}".strip() for name, relation, wanted in group)


def in_lock(row: Row, stanza: Stanza) -> Row:
    """The row of a lock for this update."""
    return row | {
        "version": stanza["Version"],
        "architecture": stanza["Architecture"],
        "sha256": stanza["SHA256"],
        "size": stanza["Size"],
        "archive": "debian-security",
        # As apt spells a file's address.
        "path": stanza["Filename"].replace("+", "%2b").replace("~", "%7e"),
    }


def dependencies(stanza: Stanza) -> Iterator[list[tuple[str, str, str]]]:
    """What a package needs: groups of alternatives (name, relation, version)."""
    for field in ("Pre-Depends", "Depends"):
        for group in filter(None, (part.strip() for part in stanza.get(field, "").split(","))):
            alternatives = []
            for part in group.split("|"):
                found = re.match(r"\s*([a-z0-9][a-z0-9.+-]*)(?::\w+)?\s*(?:\(([<>=]+)\s*([^)]+)\))?", part)
                if found:
                    alternatives.append((found[1], found[2] or "", found[3] or ""))
            yield alternatives


def fits(version: str, relation: str, wanted: str) -> bool:
    return not relation or subprocess.run(["dpkg", "--compare-versions", version, relation, wanted], check=False).returncode == 0


def offered(apt: Apt) -> list[Stanza]:
    """What the security archive has for this architecture."""
    found = []
    lists = apt.run("apt-get", "indextargets", "--format", "$(FILENAME) $(RELEASE)", "Created-By: Packages")
    for file, suite in (line.split() for line in lists.splitlines()):
        if suite.endswith("-security"):
            found += stanzas(apt.run("/usr/lib/apt/apt-helper", "cat-file", file))
    return found


def report() -> None:
    """Print each lock's age and what waits. A mirror that does not answer is reported loudly."""
    today = datetime.datetime.now(datetime.UTC)
    for name in SETS:
        date = datetime.datetime.strptime(lock_date(name), "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        print(f"{name}: resolved {date:%Y-%m-%d}, {max((today - date).days, 0)} days ago")
    for architecture in sorted(set(SETS.values())):
        with tempfile.TemporaryDirectory() as folder:
            try:
                available = offered(Apt(architecture, folder))
            except SystemExit as error:
                print(f"SKIPPED: security updates for {architecture}: {error}", file=sys.stderr)
                sys.exit(UNREACHABLE)
        for name in (name for name, its in SETS.items() if its == architecture):
            rows = read_lock(name)
            updates = waiting(rows, available)
            print(f"{name}: {len(updates)} of {len(rows)} packages wait for a security update")
            was = {row["package"]: row["version"] for row in rows}
            for package, stanza in sorted(updates.items()):
                print(f"  {package} {was[package]} -> {stanza['Version']}")


def control(row: Row) -> Stanza:
    """The fields of a locked package; empty where the cache has not got it."""
    if not cached(row).exists():
        return {}
    said = subprocess.run(["dpkg-deb", "--field", cached(row)], capture_output=True, text=True, check=True).stdout
    return next(stanzas(said), {})


def releases(folder: pathlib.Path) -> list[Stanza]:
    """The Release files that an `Apt` has fetched into its folder."""
    return [release_fields(file.read_text()) for file in sorted(folder.glob("state/lists/*InRelease"))]


if __name__ == "__main__":
    if sys.argv[1:] != ["report"]:
        sys.exit(__doc__)
    report()
