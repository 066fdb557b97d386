#!/usr/bin/env python3
"""The bill of materials, CycloneDX 1.6: every Debian package and every crate of the image, with version,
licence, supplier and source package, what depends on what, and which component each file of the root is from.

    sbom.py WORK > image.cdx.json

Debian packages come from the lock and their own copyright files, crates from cargo's resolved graph of the
appliance's target (build-time and test-time crates excluded), models from the model folder.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import locks
import origin

# A line of a lock file, by column; a component as CycloneDX writes it.
Row = dict[str, str]
Component = dict[str, Any]
# Short names in Debian copyright files that SPDX spells otherwise.
SPDX = {
    "GPL-2": "GPL-2.0-only",
    "GPL-2+": "GPL-2.0-or-later",
    "GPL-3": "GPL-3.0-only",
    "GPL-3+": "GPL-3.0-or-later",
    "GPL-2.0": "GPL-2.0-only",
    "GPL-2.0+": "GPL-2.0-or-later",
    "GPL-3.0": "GPL-3.0-only",
    "GPL-3.0+": "GPL-3.0-or-later",
    "LGPL-2": "LGPL-2.0-only",
    "LGPL-2+": "LGPL-2.0-or-later",
    "LGPL-2.1": "LGPL-2.1-only",
    "LGPL-2.1+": "LGPL-2.1-or-later",
    "LGPL-3": "LGPL-3.0-only",
    "LGPL-3+": "LGPL-3.0-or-later",
    "Expat": "MIT",
    "BSD-3-clause": "BSD-3-Clause",
    "BSD-2-clause": "BSD-2-Clause",
    "BSD-4-clause-UC": "BSD-4-Clause-UC",
    "BSD-4-clause": "BSD-4-Clause",
    "Apache-2": "Apache-2.0",
    "public-domain": "LicenseRef-public-domain",
    "Artistic": "Artistic-1.0",
}
# CycloneDX takes only SPDX identifiers as `id`; any other name is given as a name.
IDENTIFIERS = {
    *SPDX.values(),
    "0BSD",
    "Apache-2.0",
    "BSL-1.0",
    "BSD-1-Clause",
    "CC0-1.0",
    "CC-BY-4.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "OFL-1.1",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "curl",
    "AFL-2.1",
} - {"LicenseRef-public-domain"}


# The image as a whole, and what is the project's own in it.
IMAGE = "image/attendance-rpi5"
PROJECT = "project/attendance"


def main() -> None:
    work = pathlib.Path(sys.argv[1])
    version = os.environ["VERSION"]
    components = [*debian(work), *crates(work), *models(work), project(version)]
    place_files(work, components)
    json.dump(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'attendance-rpi5/' + version)}",
            "version": 1,
            "metadata": {
                "timestamp": subprocess.run(
                    ["date", "-u", "-d", f"@{os.environ['SOURCE_DATE_EPOCH']}", "+%Y-%m-%dT%H:%M:%SZ"],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout.strip(),
                "component": {"type": "firmware", "name": "attendance-rpi5", "version": version, "bom-ref": IMAGE},
            },
            "components": components,
            "dependencies": [{"ref": ref, "dependsOn": sorted(needs)} for ref, needs in sorted(graph(work, components).items())],
        },
        sys.stdout,
        indent=1,
        sort_keys=True,
    )
    print()
    unlicensed = [c["name"] for c in components if not c.get("licenses")]
    if unlicensed:
        sys.exit(f"sbom.py: no licence found for {', '.join(unlicensed)}")


def shipped() -> dict[str, Row]:
    """Packages of the root and of the initramfs, and the kernel source that modules were compiled from."""
    rows = {}
    for name in ("root", "initramfs"):
        for row in lock(name):
            rows[row["package"]] = row
    for row in [] if locks.has_other_kernel() else lock("sysroot"):
        if row["package"].startswith("linux-source-"):
            rows[row["package"]] = row
    return dict(sorted(rows.items()))


def debian(work: pathlib.Path) -> Iterator[Component]:
    for package, row in shipped().items():
        fields = origin.control(cached(row))
        name, version = origin.source(fields)
        vendor = locks.vendor(row)
        yield {
            "type": "library",
            "name": package,
            "version": row["version"],
            "purl": origin.package_url(package, row["version"], row["architecture"], vendor),
            "bom-ref": f"deb/{package}",
            "supplier": origin.supplier(fields, vendor),
            "hashes": [{"alg": "SHA-256", "content": row["sha256"]}],
            "licenses": licences(deb_licences(row)),
            "pedigree": {
                "ancestors": [
                    {"type": "library", "name": name, "version": version, "purl": origin.package_url(name, version, "source", vendor)}
                ]
            },
        }


def project(version: str) -> Component:
    """What is made here: the program, the layer's files, and what the build writes."""
    return {
        "type": "application",
        "name": "attendance",
        "version": version,
        "bom-ref": PROJECT,
        "description": "The program (whose crates it depends on), the files of meta-attendance, and what the build makes of both",
        "licenses": licences(["MIT"]),
    }


def place_files(work: pathlib.Path, components: list[Component]) -> None:
    """Say of each file of the root which component it is from."""
    rows = shipped()
    drivers = next((f"deb/{name}" for name in rows if name.startswith("linux-source-")), PROJECT)
    # The initramfs has copies of some files only; those are found by the same names.
    files = {f"deb/{row['package']}": origin.files_of(cached(row)) for row in lock("root")}
    found = origin.occurrences(work / "root", files, PROJECT, drivers)
    for component in components:
        if paths := found.pop(component["bom-ref"], None):
            component["evidence"] = {"occurrences": [{"location": path} for path in paths]}
    if found:
        sys.exit(f"sbom.py: files of components that the bill does not have: {', '.join(sorted(found))}")


def graph(work: pathlib.Path, components: list[Component]) -> dict[str, set[str]]:
    """What each component depends on."""
    fields = [origin.control(cached(row)) for row in shipped().values()]
    present = origin.names(fields)
    found = {component["bom-ref"]: set() for component in components}
    for its in fields:
        found[f"deb/{its['Package']}"] = {f"deb/{name}" for name in origin.needed(its, present)}
    packages, nodes, seen = crate_graph(work)
    for id_ in seen:
        found[crate_ref(packages[id_])] = {crate_ref(packages[other]) for other in compiled_in(nodes[id_])}
    found[PROJECT] = {crate_ref(packages[id_]) for id_ in seen if packages[id_]["name"] == "attendance"}
    found[IMAGE] = {PROJECT, *(ref for ref in found if ref.startswith(("deb/", "model/")))}
    return found


def cached(row: Row) -> str:
    return f"/cache/debs/{row['sha256'][:2]}/{row['sha256']}.deb"


def lock(name: str) -> list[Row]:
    """The packages of a set as this image gets them."""
    return locks.image_rows(name)


def deb_licences(row: Row) -> list[str]:
    """Licence names of a package's copyright file; packages that link theirs to another's are looked up
    there."""
    text = copyright_of(row)
    named = {match.strip().split(" with ")[0] for match in re.findall(r"^License:[ \t]*(\S.*)$", text, re.M)}
    words = {word.strip("(),") for name in named for word in re.split(r"\s+(?:and|or|and/or)\s+|,\s*", name)}
    found = {SPDX.get(word, word) for word in words if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+~-]*", word)}
    if found:
        return sorted(found)
    # An older, free-form file: the full texts it points to.
    pointed = re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])", text)
    if pointed:
        return sorted({SPDX.get(word, word) for word in pointed})
    return [f"LicenseRef-debian-{row['package']}"] if text else []


def copyright_of(row: Row) -> str:
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", cached(row)], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            parts = pathlib.PurePosixPath(member.name).parts
            if parts[:3] != ("usr", "share", "doc"):
                continue
            if parts[-1] == "copyright" and member.isfile():
                text = archive.extractfile(member).read().decode(errors="replace")
                process.kill()
                return text
            target = None
            if member.issym() and (len(parts) == 4 or parts[-1] == "copyright"):
                linked = pathlib.PurePosixPath(member.linkname).parts
                target = next(part for part in linked if part not in ("..", "usr", "share", "doc", "/"))
            if target and target != row["package"]:
                process.kill()
                for name in ("root", "initramfs", "sysroot"):
                    for other in lock(name):
                        if other["package"] == target:
                            return copyright_of(other)
                return ""
    return ""


def crate_graph(work: pathlib.Path) -> tuple[dict[str, Any], dict[str, Any], set[str]]:
    """(packages, nodes, ids of what is compiled into the program) of cargo's resolved graph."""
    resolved = json.loads((work / "program/crates.json").read_text())
    packages = {package["id"]: package for package in resolved["packages"]}
    nodes = {node["id"]: node for node in resolved["resolve"]["nodes"]}
    queue, seen = [next(id_ for id_, package in packages.items() if package["name"] == "attendance")], set()
    while queue:
        id_ = queue.pop()
        if id_ not in seen:
            seen.add(id_)
            queue += compiled_in(nodes[id_])
    return packages, nodes, seen


def compiled_in(node: dict[str, Any]) -> list[str]:
    """A crate's dependencies without those of its build script and its tests."""
    return [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]


def crate_ref(package: dict[str, Any]) -> str:
    return f"crate/{package['name']}@{package['version']}"


def crates(work: pathlib.Path) -> Iterator[Component]:
    """Every crate that is compiled into the program."""
    packages, _, seen = crate_graph(work)
    for package in sorted((packages[id_] for id_ in seen), key=lambda p: (p["name"], p["version"])):
        yield {
            "type": "library",
            "name": package["name"],
            "version": package["version"],
            "purl": f"pkg:cargo/{package['name']}@{package['version']}",
            "bom-ref": crate_ref(package),
            "supplier": {"name": "crates.io" if package.get("source") else "attendance"},
            "licenses": [{"expression": package["license"].replace("/", " OR ")}]
            if package.get("license")
            else licences([f"LicenseRef-{package['name']}"] if package.get("license_file") else []),
        }


def models(work: pathlib.Path) -> Iterator[Component]:
    """The weight files, with the licences that models.lock states."""
    folder = work / "models"
    stated = {}
    table = pathlib.Path("/src/models/models.lock")
    if table.exists():
        import tomllib

        for model in tomllib.loads(table.read_text()).get("model", []):
            stated[model["role"]] = model
    for file in sorted(folder.glob("*.safetensors")) if folder.exists() else []:
        model = stated.get(file.stem, {})
        yield {
            "type": "machine-learning-model",
            "name": file.stem,
            "version": model.get("source", {}).get("version", "") or model.get("sha256", "")[:12],
            "bom-ref": f"model/{file.stem}",
            "description": model.get("origin", ""),
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}],
            "licenses": licences([model["licence"]] if model.get("licence") else []),
        }


def licences(names: list[str]) -> list[Component]:
    """CycloneDX's form: SPDX identifiers as `id`, anything else by `name`."""
    return [{"license": {"id" if name in IDENTIFIERS else "name": name}} for name in names]


if __name__ == "__main__":
    main()
