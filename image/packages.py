#!/usr/bin/env python3
"""The image's Debian packages: resolve them into lock files, fetch what a lock names, lay them out as a local
repository.

    packages.py update                renew every lock file from the mirror, print what changed
    packages.py update --security     only take the waiting security updates into the locks
    packages.py fetch SET...          download the sets' packages into the cache, checked by SHA-256
    packages.py repository SET DIR    a local apt repository of exactly the locked packages (builder tree)
    packages.py files SET             the cached files of a set, one a line, in the lock's order

A set is `packages/NAME.list` (what we ask for, and what we leave out) and `lock/NAME.lock` (what we get). No
mirror is named anywhere in the project: it comes from DEBIAN_MIRROR or the host's own apt configuration.
Versions that have left the mirror are asked of DEBIAN_SNAPSHOT_MIRROR or, where that is not set, of the
address that the archive's own Release file states (`Snapshots:`). Signatures are checked when a lock is
renewed; afterwards the SHA-256 in the lock is the trust.
"""

import functools
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("ATTENDANCE_IMAGE_CACHE", pathlib.Path.home() / ".cache/attendance-appliance/image"))
# Packages come from these; preferences decide which of several versions is taken.
SUITES = [
    ("debian", "trixie", "main non-free-firmware"),
    ("debian", "trixie-updates", "main non-free-firmware"),
    ("debian-security", "trixie-security", "main non-free-firmware"),
    ("debian", "trixie-backports", "main non-free-firmware"),
    ("debian", "forky", "main"),
]
SETS = {
    "root": "arm64",
    "initramfs": "arm64",
    "sysroot": "arm64",
    "builder-amd64": "amd64",
    "builder-arm64": "arm64",
}
# A line of a lock file, by column.
Row = dict[str, str]
COLUMNS = "package\tversion\tarchitecture\tsha256\tsize\tarchive\tpath"


@functools.cache
def mirrors() -> dict[str, str]:
    """{'debian': URL, 'debian-security': URL} from DEBIAN_MIRROR or the host's apt sources."""
    if "DEBIAN_MIRROR" in os.environ:
        base = os.environ["DEBIAN_MIRROR"].rstrip("/")
        security = os.environ.get("DEBIAN_SECURITY_MIRROR", re.sub(r"debian$", "debian-security", base))
        return {"debian": base, "debian-security": security.rstrip("/")}
    codename = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M)[1]
    found = {}
    for uri, suite in host_sources():
        if suite == codename:
            found.setdefault("debian", uri.rstrip("/"))
        elif suite in (f"{codename}-security", f"{codename}/updates"):
            found.setdefault("debian-security", uri.rstrip("/"))
    if "debian" not in found:
        sys.exit(f"packages.py: no source for {codename} in the host's apt configuration; set DEBIAN_MIRROR")
    found.setdefault("debian-security", re.sub(r"debian$", "debian-security", found["debian"]))
    return found


def host_sources() -> Iterator[tuple[str, str]]:
    """(URI, suite) of every binary source apt knows on this machine, one-line and deb822 files alike."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(REPO_URI) $(RELEASE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for line in targets.splitlines():
        _, uri, suite = line.split()
        yield uri, suite


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


def host_network() -> str:
    """How this machine's apt reaches a network (proxy, certificates, passwords), as lines of an apt.conf.
    What the host's apt accepts without checking is not taken over."""
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    wanted = re.compile(r"(Acquire::(https?|ftp|tor)(::|\s)|Dir::Etc::netrc(parts)?\s)", re.I)
    # Switches that stop apt from verifying a server's certificate.
    loose = re.compile(r"::(Verify-Peer|Verify-Host|AllowRedirect)\s", re.I)
    return "\n".join(absolute(line) for line in said.splitlines() if wanted.match(line) and not loose.search(line))


def absolute(line: str) -> str:
    """A file below /etc/apt by its whole path: apt would look for it in its own folder."""
    return re.sub(r'^(Dir::Etc::netrc\w*) "(?=[^/])', r'\1 "/etc/apt/', line)


class Apt:
    """apt-get with its own configuration, lists and (empty) dpkg status: nothing of the host's installation
    counts."""

    def __init__(self, architecture: str, folder: str) -> None:
        self.folder = pathlib.Path(folder)
        for sub in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / sub).mkdir(parents=True)
        (self.folder / "status").touch()
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        if not pathlib.Path(keyring).exists():
            sys.exit(f"packages.py: {keyring} is missing: apt-get install debian-archive-keyring")
        sources = []
        for archive, suite, components in SUITES:
            options = f"arch={architecture} signed-by={keyring}"
            if suite == "forky":
                # A testing suite's Release file expires within days of its mirror standing still; the lock
                # pins by hash.
                options += " check-valid-until=no"
            sources.append(f"deb [{options}] {mirrors()[archive]} {suite} {components}\n")
        (self.folder / "sources.list").write_text("".join(sources))
        (self.folder / "apt.conf").write_text(
            f"""Dir::State "{self.folder}/state"; Dir::State::status "{self.folder}/status"; Dir::Cache "{self.folder}/cache";
            Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null"; Dir::Etc::sourceparts "/dev/null";
            Dir::Etc::sourcelist "{self.folder}/sources.list"; Dir::Etc::preferencesparts "/dev/null";
            Dir::Etc::preferences "{HERE}/packages/preferences"; Dir::Etc::trustedparts "/dev/null";
            APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }};
            APT::Install-Recommends "false"; APT::Get::Always-Include-Phased-Updates "true";
            APT::Sandbox::User "root"; Acquire::Languages "none"; Acquire::Retries "3"; Acquire::ForceHash "SHA256";"""
        )
        # An option that apt reads later would not be seen: the host's own files are switched off above.
        with (self.folder / "apt.conf").open("a") as settings:
            settings.write(f"\n{host_network()}\n")
        self.run("apt-get", "update", "-qq", "--error-on=any")

    def run(self, *command: str) -> str:
        environment = dict(os.environ, APT_CONFIG=str(self.folder / "apt.conf"))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"packages.py: {' '.join(command[:4])} … failed:\n{done.stdout[-3000:]}{done.stderr}")
        return done.stdout

    def kernel_abi(self) -> str:
        """`7.3.4+deb13-arm64`: the newest kernel that the preferences allow, from the metapackage's
        dependency."""
        shown = self.run("apt-cache", "show", "--no-all-versions", "linux-headers-arm64")
        return re.search(r"linux-headers-(\d[^ ,]*)", shown)[1]

    def resolve(self, asked: list[str], alone: list[str]) -> list[Row]:
        """Lock rows for `asked` and everything it depends on, and for `alone` as it is."""
        printed = self.run("apt-get", "install", "--yes", "--print-uris", *asked)
        if alone:
            printed += self.run("apt-get", "download", "--print-uris", *alone)
        rows = []
        for line in printed.splitlines():
            if not line.startswith("'"):
                continue
            uri, file, size, digest = line.replace("'", "", 2).split()
            package, version, architecture = (urllib.parse.unquote(part) for part in file[: -len(".deb")].split("_"))
            archive = next(name for name, url in sorted(mirrors().items(), reverse=True) if uri.startswith(url + "/"))
            if not digest.startswith("SHA256:"):
                digest = "SHA256:" + self.sha256(package, version)
            place = uri[len(mirrors()[archive]) + 1 :]
            row = (package, version, architecture, digest.removeprefix("SHA256:"), size, archive, place)
            rows.append(dict(zip(COLUMNS.split("\t"), row, strict=True)))
        return sorted(rows, key=lambda row: row["package"])

    def sha256(self, package: str, version: str) -> str:
        shown = self.run("apt-cache", "show", f"{package}={version}")
        return re.search(r"^SHA256: (\w{64})", shown, re.M)[1]


def update(only_security: bool = False) -> None:
    """Renew all locks, or only take waiting security updates into them, and say what changed."""
    import security

    abi = None
    for architecture in ("arm64", "amd64"):
        with tempfile.TemporaryDirectory() as folder:
            apt = Apt(architecture, folder)
            stamp = security.newest_date(security.releases(apt.folder))
            offered = security.offered(apt) if only_security else []
            abi = abi or apt.kernel_abi()
            kernel = abi.removesuffix("-arm64")
            names = {"abi": abi, "kernel": kernel, "series": ".".join(kernel.split(".")[:2])}
            for name in (name for name, arch in SETS.items() if arch == architecture):
                asked, alone, left_out = read_list(name)
                if only_security:
                    locked = read_lock(name)
                    rows = security.taken(locked, security.waiting(locked, offered), left_out, security.control)
                else:
                    rows = apt.resolve([word.format(**names) for word in asked], [word.format(**names) for word in alone])
                    unknown = left_out - {row["package"] for row in rows}
                    if unknown:
                        sys.exit(f"packages.py: {name}.list leaves out {sorted(unknown)}, which nothing asks for any more: drop the line")
                    rows = [row for row in rows if row["package"] not in left_out]
                print_changes(name, read_lock(name), rows)
                if rows == read_lock(name):
                    continue
                lines = ["\t".join(row.values()) for row in rows]
                (HERE / "lock" / f"{name}.lock").write_text("\n".join([f"# resolved {stamp}", COLUMNS, *lines]) + "\n")


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


def cached(row: Row) -> pathlib.Path:
    """Where the cache keeps this package: by content, so that a cached file can never be the wrong one."""
    return CACHE / "debs" / row["sha256"][:2] / f"{row['sha256']}.deb"


def fetch(names: list[str]) -> None:
    """Download what the cache has not got. apt's own downloader checks each file's SHA-256."""
    missing = {}
    for name in names:
        rows = read_lock(name)
        if not rows:
            sys.exit(f"packages.py: lock/{name}.lock is missing or empty: run scripts/build-image --update-lock")
        missing.update({row["sha256"]: (row, lock_date(name)) for row in rows if not cached(row).exists()})
    if not missing:
        return
    total = sum(int(row["size"]) for row, _ in missing.values()) / 1e6
    print(f"fetching {len(missing)} packages, {total:.0f} MB", file=sys.stderr)
    wanted = list(missing.values())
    lost = download([(row, f"{mirrors()[row['archive']]}/{row['path']}") for row, _ in wanted])
    if lost:
        dates = {row["sha256"]: date for row, date in wanted}
        lost = from_snapshots(lost, dates, snapshots())
    if lost:
        gone = ", ".join(f"{row['package']} {row['version']}" for row in lost)
        sys.exit(
            f"packages.py: neither the mirror nor a snapshot archive has {gone}.\nRenew the locks with scripts/build-image "
            "--update-lock, or set DEBIAN_SNAPSHOT_MIRROR to a mirror that keeps old versions."
        )


def snapshots() -> dict[str, str]:
    """Where old versions of each archive are kept, with @SNAPSHOTID@ for the date: the setting, or what the
    archives themselves say. Empty where neither says anything."""
    import security

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
    import security

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
    with tempfile.TemporaryDirectory(dir=make(CACHE / "debs")) as folder:
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
        case ["update", "--security"]:
            update(only_security=True)
        case ["fetch", *names] if names:
            fetch(names)
        case ["repository", name, folder]:
            repository(name, folder)
        case ["files", name]:
            print("\n".join(f"{cached(row)}" for row in read_lock(name)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
