#!/usr/bin/env python3
"""The image's Debian packages: resolve them into lock files, fetch what a lock names, lay them out as a local
repository.

    packages.py update                renew every lock file from the mirror, print what changed
    packages.py update --security     only take the waiting security updates into the locks
    packages.py update --added        only add what a list newly asks for; nothing that is locked moves
    packages.py update-kernel FOLDER  renew the lock of another archive's kernel (kernel_archive.py)
    packages.py fetch SET...          download the sets' packages into the cache, checked by SHA-256
    packages.py repository SET DIR    a local apt repository of exactly the locked packages (builder tree)
    packages.py files SET             the cached files of a set, one a line, in the lock's order

A set is `packages/NAME.list` (what we ask for, and what we leave out) and `lock/NAME.lock` (what we get). No
mirror is named anywhere in the project: it comes from DEBIAN_MIRROR or the host's own apt configuration.
Versions that have left the mirror are asked of DEBIAN_SNAPSHOT_MIRROR or, where that is not set, of the
address that the archive's own Release file states (`Snapshots:`). Signatures are checked when a lock is
renewed; afterwards the SHA-256 in the lock is the trust. With KERNEL_LOCK, the lock of another archive's
kernel, the set `root` has that kernel in place of Debian's.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import kernel_archive
import locks
import security
from locks import COLUMNS, HERE, SETS, Row, cached, image_rows, lock_date, read_list, read_lock
from resolver import Apt, mirrors


def update(only: str = "") -> None:
    """Renew all locks and say what changed; only with waiting security updates, or with what is added to a
    list, where `only` says so."""
    abi = None
    for architecture in ("arm64", "amd64"):
        with tempfile.TemporaryDirectory() as folder:
            apt = Apt(architecture, folder)
            stamp = security.newest_date(security.releases(apt.folder))
            offered = security.offered(apt) if only == "security" else []
            abi = abi or apt.kernel_abi()
            kernel = abi.removesuffix("-arm64")
            names = {"abi": abi, "kernel": kernel, "series": ".".join(kernel.split(".")[:2])}
            for name in (name for name, arch in SETS.items() if arch == architecture):
                asked, alone, left_out = read_list(name)
                locked = read_lock(name)
                if only == "added":
                    rows = added(apt, name, locked, asked + alone, left_out)
                elif only == "security":
                    rows = security.taken(locked, security.waiting(locked, offered), left_out, security.control)
                else:
                    rows = apt.resolve([word.format(**names) for word in asked], [word.format(**names) for word in alone])
                    unknown = left_out - {row["package"] for row in rows}
                    if unknown:
                        sys.exit(f"packages.py: {name}.list leaves out {sorted(unknown)}, which nothing asks for any more: drop the line")
                    rows = [row for row in rows if row["package"] not in left_out]
                print_changes(name, locked, rows)
                if rows == locked:
                    continue
                if only == "added":
                    # The date stays: most rows are of then, and old versions are asked for as of it.
                    stamp = lock_date(name)
                lines = ["\t".join(row.values()) for row in rows]
                (HERE / "lock" / f"{name}.lock").write_text("\n".join([f"# resolved {stamp}", COLUMNS, *lines]) + "\n")


def update_kernel(folder: pathlib.Path) -> None:
    """Renew the lock of another archive's kernel, and say what changed."""
    lock = folder / kernel_archive.LOCK
    os.environ["KERNEL_LOCK"] = str(lock)
    rows, text = kernel_archive.update(folder)
    print_changes("kernel", read_lock("kernel"), rows)
    lock.write_text(text)


def added(apt: Apt, name: str, locked: list[Row], asked: list[str], left_out: set[str]) -> list[Row]:
    """The lock with what the list asks for and the lock has not got, and what that needs. Refused where a
    locked version is too old for it."""
    there = {row["package"] for row in locked}
    # A name that follows the kernel's version is only found out with a whole resolution.
    missing = [word for word in asked if "{" not in word and word not in there]
    if not missing:
        return locked
    fresh = [row for row in apt.resolve(missing, []) if row["package"] not in there | left_out]
    rows = sorted(locked + fresh, key=lambda row: row["package"])
    versions = {row["package"]: row["version"] for row in rows}
    for row in fresh:
        for unmet in security.unmet(apt.fields(row["package"], row["version"]), versions, left_out):
            sys.exit(
                f"packages.py: {name}: {row['package']} needs {unmet}, which the lock does not have.\n"
                "Leave it out in the list, or renew the whole locks: scripts/build-image --update-lock."
            )
    return rows


def print_changes(name: str, old: list[Row], new: list[Row]) -> None:
    before = {row["package"]: row for row in old}
    after = {row["package"]: row for row in new}
    print(f"{name}: {len(after)} packages, {sum(int(row['size']) for row in new) / 1e6:.1f} MB to fetch")
    for package in sorted(before.keys() | after.keys()):
        was, now = before.get(package), after.get(package)
        if was is None:
            print(f"  + {package} {now['version']}")
        elif now is None:
            print(f"  - {package} {was['version']}")
        elif was["version"] != now["version"]:
            print(f"  ~ {package} {was['version']} -> {now['version']}")
        elif was["sha256"] != now["sha256"]:
            print(f"  ! {package} {now['version']}: same version, other content")


def fetch(names: list[str]) -> None:
    """Download what the cache has not got. apt's own downloader checks each file's SHA-256."""
    missing = {}
    for name in names:
        rows = image_rows(name)
        if not rows:
            sys.exit(f"packages.py: lock/{name}.lock is missing or empty: run scripts/build-image --update-lock")
        missing.update({row["sha256"]: (row, lock_date(name)) for row in rows if not cached(row).exists()})
    if not missing:
        return
    total = sum(int(row["size"]) for row, _ in missing.values()) / 1e6
    print(f"fetching {len(missing)} packages, {total:.0f} MB", file=sys.stderr)
    wanted = list(missing.values())
    archives = addresses([row for row, _ in wanted])
    lost = download([(row, f"{archives[row['archive']]}/{row['path']}") for row, _ in wanted])
    if gone := ", ".join(f"{row['package']} {row['version']}" for row in lost if row["archive"] == "kernel"):
        sys.exit(
            f"packages.py: the kernel's archive does not have {gone}.\n"
            "Renew its lock: scripts/build-image --update-lock --kernel raspberrypi --kernel-folder FOLDER."
        )
    if lost:
        dates = {row["sha256"]: date for row, date in wanted}
        lost = from_snapshots(lost, dates, snapshots())
    if lost:
        gone = ", ".join(f"{row['package']} {row['version']}" for row in lost)
        sys.exit(
            f"packages.py: neither the mirror nor a snapshot archive has {gone}.\nRenew the locks with scripts/build-image "
            "--update-lock, or set DEBIAN_SNAPSHOT_MIRROR to a mirror that keeps old versions."
        )


def addresses(rows: list[Row]) -> dict[str, str]:
    """Where the archives of these packages are."""
    found = dict(mirrors()) if any(row["archive"] != "kernel" for row in rows) else {}
    if any(row["archive"] == "kernel" for row in rows):
        found["kernel"] = kernel_archive.Archive.read(locks.lock_file("kernel").parent).address
    return found


def snapshots() -> dict[str, str]:
    """Where old versions of each archive are kept, with @SNAPSHOTID@ for the date: the setting, or what the
    archives themselves say. Empty where neither says anything."""
    setting = os.environ.get("DEBIAN_SNAPSHOT_MIRROR", "").rstrip("/")
    if setting:
        return {archive: f"{setting}/{archive}/@SNAPSHOTID@" for archive in ("debian", "debian-security")}
    with tempfile.TemporaryDirectory() as folder:
        # A mirror that does not answer states no address either; what is missing is said by name afterwards.
        try:
            apt = Apt("arm64", folder)
        except SystemExit as error:
            print(f"packages.py: no Release file says where old versions are kept: {error}", file=sys.stderr)
            return {}
        found = security.snapshot_addresses(security.releases(apt.folder))
    if not found:
        print("packages.py: no Release file of the mirror states a snapshot archive (Snapshots:)", file=sys.stderr)
    return found


def from_snapshots(lost: list[Row], dates: dict[str, str], addresses: dict[str, str]) -> list[Row]:
    """Fetch these from the archives of old versions, as of the lock's date or the day after it; the rows that
    are still missing."""
    for later in (False, True):
        at = {digest: security.day_after(date) if later else date for digest, date in dates.items()}
        asked = [row for row in lost if row["archive"] in addresses]
        if not asked:
            break
        place = [(row, f"{addresses[row['archive']].replace('@SNAPSHOTID@', at[row['sha256']])}/{row['path']}") for row in asked]
        lost = [row for row in lost if row["archive"] not in addresses] + download(place)
    return lost


def download(wanted: list[tuple[Row, str]]) -> list[Row]:
    """Fetch [(row, URL)] into the cache; the rows that could not be had."""
    with tempfile.TemporaryDirectory(dir=make(locks.CACHE / "debs")) as folder:
        triples = []
        for row, url in wanted:
            triples += [url, f"{folder}/{row['sha256']}", f"SHA256:{row['sha256']}"]
        for start in range(0, len(triples), 150):
            subprocess.run(
                [
                    "/usr/lib/apt/apt-helper",
                    "-qq",
                    "-o",
                    "APT::Sandbox::User=root",
                    "-o",
                    "Acquire::Retries=3",
                    "download-file",
                    *triples[start : start + 150],
                ],
                check=False,
            )
        lost = []
        for row, _ in wanted:
            fresh = pathlib.Path(folder, row["sha256"])
            if fresh.exists() and fresh.stat().st_size == int(row["size"]):
                make(cached(row).parent)
                fresh.replace(cached(row))
            else:
                lost.append(row)
        return lost


def make(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def repository(name: str, folder: str) -> None:
    """An apt repository in `folder` with exactly the packages of a lock, linked from the cache."""
    folder = make(pathlib.Path(folder))
    stanzas = []
    for row in read_lock(name):
        link = folder / f"{row['package']}_{row['sha256'][:16]}.deb"
        if not link.exists():
            link.hardlink_to(cached(row))
        control = subprocess.run(["dpkg-deb", "--field", cached(row)], capture_output=True, text=True, check=True).stdout
        stanzas.append(f"{control}Filename: ./{link.name}\nSize: {row['size']}\nSHA256: {row['sha256']}\n")
    (folder / "Packages").write_text("\n".join(stanzas))


def main() -> None:
    match sys.argv[1:]:
        case ["update"]:
            update()
        case ["update", ("--security" | "--added") as only]:
            update(only.removeprefix("--"))
        case ["update-kernel", folder]:
            update_kernel(pathlib.Path(folder))
        case ["fetch", *names] if names:
            fetch(names)
        case ["repository", name, folder]:
            repository(name, folder)
        case ["files", name]:
            print("\n".join(f"{cached(row)}" for row in image_rows(name)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
