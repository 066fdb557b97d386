"""Where the parts of the image come from: a Debian package's fields, source package and files, what needs
what, and which component each file of the root belongs to. For sbom.py."""

import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import security

Component = dict[str, Any]
# Files that the step `root` renames, or makes of a package's files, and what they come from.
MADE_FROM = {
    "usr/lib/firmware/regulatory.db": "usr/lib/firmware/regulatory.db-debian",
    "usr/lib/firmware/regulatory.db.p7s": "usr/lib/firmware/regulatory.db.p7s-debian",
    "etc/ssl/certs/ca-certificates.crt": "usr/sbin/update-ca-certificates",
}


def package_url(name: str, version: str, architecture: str, vendor: str = "Debian") -> str:
    quoted = version.replace("+", "%2B").replace(":", "%3A")
    distro = "&distro=trixie" if vendor == "Debian" else ""
    return f"pkg:deb/{re.sub('[^a-z0-9]+', '-', vendor.lower())}/{name}@{quoted}?arch={architecture}{distro}"


def control(deb: str) -> dict[str, str]:
    """A package's own fields."""
    said = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
    return next(security.stanzas(said))


def source(fields: dict[str, str]) -> tuple[str, str]:
    """(name, version) of the source package; a package that names none is built from one of its own name."""
    found = re.fullmatch(r"(\S+)(?: \((\S+)\))?", fields.get("Source", fields["Package"]))
    return found[1], found[2] or fields["Version"]


def supplier(fields: dict[str, str], vendor: str = "Debian") -> Component:
    """Who supplies the package; who maintains it there is the contact."""
    found = re.fullmatch(r"(.*?)\s*<(.*)>", fields.get("Maintainer", ""))
    contact = {"contact": [{"name": found[1].strip('"'), "email": found[2]}]} if found else {}
    return {"name": vendor, **contact}


def needed(fields: dict[str, str], present: dict[str, str]) -> list[str]:
    """Packages of the image that this one depends on. `present`: package that answers to each name, virtual
    names included."""
    found = set()
    for group in security.dependencies(fields):
        found.update([present[name] for name, _, _ in group if name in present][:1])
    return sorted(found - {fields["Package"]})


def names(all_fields: Iterable[dict[str, str]]) -> dict[str, str]:
    """The package behind each name: its own name, or one that it provides."""
    all_fields = list(all_fields)
    found = {}
    for fields in all_fields:
        for part in filter(None, fields.get("Provides", "").split(",")):
            found.setdefault(part.split("(")[0].strip(), fields["Package"])
    return found | {fields["Package"]: fields["Package"] for fields in all_fields}


def files_of(deb: str) -> list[str]:
    """The files and links of a package, as they lie in a merged /usr."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process:
        said = subprocess.run(["tar", "-t"], stdin=process.stdout, capture_output=True, text=True, check=True).stdout
    paths = [line.removeprefix("./") for line in said.splitlines() if not line.endswith("/")]
    return [re.sub(r"^(bin|sbin|lib|lib64)/", r"usr/\1/", path) for path in paths]


def occurrences(root: pathlib.Path, packages: dict[str, list[str]], project: str, source_of_drivers: str) -> dict[str, list[str]]:
    """Every file of the root, by the component it belongs to. What no package brought is the project's: its
    program, its layer, and what the step `root` makes."""
    owner = {}
    for ref, files in packages.items():
        for file in files:
            owner.setdefault(file, ref)
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        relative = str(path.relative_to(root))
        ref = owner.get(MADE_FROM.get(relative, relative))
        if ref is None and re.match(r"usr/lib/modules/[^/]+/updates/", relative):
            ref = source_of_drivers
        elif ref is None and (model := re.fullmatch(r"usr/share/attendance/models/(.+)\.safetensors", relative)):
            ref = f"model/{model[1]}"
        found.setdefault(ref or project, []).append(f"/{relative}")
    return found
