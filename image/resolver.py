"""apt-get with a configuration of its own: the mirror, and what a set needs of it."""

import functools
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator

from locks import COLUMNS, HERE, Row

# Packages come from these; preferences decide which of several versions is taken.
SUITES = [
    ("debian", "trixie", "main non-free-firmware"),
    ("debian", "trixie-updates", "main non-free-firmware"),
    ("debian-security", "trixie-security", "main non-free-firmware"),
    ("debian", "trixie-backports", "main non-free-firmware"),
    ("debian", "forky", "main"),
]


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


def debian_sources(architecture: str) -> list[str]:
    """Debian's suites, as lines of apt's sources.list."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    if not pathlib.Path(keyring).exists():
        sys.exit(f"packages.py: {keyring} is missing: apt-get install debian-archive-keyring")
    sources = []
    for archive, suite, components in SUITES:
        options = f"arch={architecture} signed-by={keyring}"
        if suite == "forky":
            # A testing suite's Release file expires within days of its mirror standing still; the lock pins
            # by hash.
            options += " check-valid-until=no"
        sources.append(f"deb [{options}] {mirrors()[archive]} {suite} {components}\n")
    return sources


def read_fields(shown: str) -> dict[str, str]:
    """The fields of a package as apt-cache shows them."""
    return dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", shown, re.M))


class Apt:
    """apt-get with its own configuration, lists and (empty) dpkg status: nothing of the host's installation
    counts. Without `archives` {name: address} and `sources` (lines of apt's sources.list) it is Debian."""

    def __init__(self, architecture: str, folder: str, archives: dict[str, str] | None = None, sources: list[str] | None = None) -> None:
        self.folder = pathlib.Path(folder)
        for sub in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / sub).mkdir(parents=True)
        (self.folder / "status").touch()
        self.archives = archives or mirrors()
        (self.folder / "sources.list").write_text("".join(sources or debian_sources(architecture)))
        # Debian's own suites have preferences; another archive has one suite.
        preferences = "/dev/null" if sources else f"{HERE}/packages/preferences"
        (self.folder / "apt.conf").write_text(
            f"""Dir::State "{self.folder}/state"; Dir::State::status "{self.folder}/status"; Dir::Cache "{self.folder}/cache";
            Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null"; Dir::Etc::sourceparts "/dev/null";
            Dir::Etc::sourcelist "{self.folder}/sources.list"; Dir::Etc::preferencesparts "/dev/null";
            Dir::Etc::preferences "{preferences}"; Dir::Etc::trustedparts "/dev/null";
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
        printed = self.run("apt-get", "install", "--yes", "--print-uris", *asked) if asked else ""
        if alone:
            printed += self.run("apt-get", "download", "--print-uris", *alone)
        rows = []
        for line in printed.splitlines():
            if not line.startswith("'"):
                continue
            uri, file, size, digest = line.replace("'", "", 2).split()
            package, version, architecture = (urllib.parse.unquote(part) for part in file[: -len(".deb")].split("_"))
            archive = next(name for name, url in sorted(self.archives.items(), reverse=True) if uri.startswith(url + "/"))
            if not digest.startswith("SHA256:"):
                digest = "SHA256:" + self.sha256(package, version)
            place = uri[len(self.archives[archive]) + 1 :]
            row = (package, version, architecture, digest.removeprefix("SHA256:"), size, archive, place)
            rows.append(dict(zip(COLUMNS.split("\t"), row, strict=True)))
        return sorted(rows, key=lambda row: row["package"])

    def fields(self, package: str, version: str) -> dict[str, str]:
        """What the archive says of a package."""
        return read_fields(self.run("apt-cache", "show", f"{package}={version}"))

    def candidate(self, package: str) -> dict[str, str]:
        """What the archive says of the version of a package that would be taken."""
        return read_fields(self.run("apt-cache", "show", "--no-all-versions", package))

    def sha256(self, package: str, version: str) -> str:
        shown = self.run("apt-cache", "show", f"{package}={version}")
        return re.search(r"^SHA256: (\w{64})", shown, re.M)[1]
