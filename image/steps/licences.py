#!/usr/bin/env python3
"""The licence texts of everything in the image, as one tar archive beside it, and as one text for the page.

licences.py WORK > licences.tar
licences.py WORK --text > licences.txt

`debian/PACKAGE/copyright` as the package ships it, `debian/common-licenses/` with the texts that those files
refer to, `crates/NAME-VERSION/` with each crate's own texts, `models/` with those of the weights,
`attendance/` with the project's. `INDEX.txt` names every component, its licence, and its texts.
"""

import io
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import sbom

# The names of licence files at the top of a crate, in upper or lower case.
TEXTS = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense|authors)([-._].*)?", re.I)


def crate_texts(folder: pathlib.Path, stated: str | None) -> list[pathlib.Path]:
    """The licence files of a crate: by name, in a folder LICENSES, and the one that its manifest states."""
    found = {path for path in folder.iterdir() if path.is_file() and TEXTS.fullmatch(path.name)}
    found |= {path for path in folder.glob("LICENSES/*") if path.is_file()}
    if stated and (folder / stated).is_file():
        found.add(folder / stated)
    return sorted(found)


def common_licences() -> dict[str, bytes]:
    """The texts that Debian's copyright files refer to, from base-files."""
    row = next(row for row in sbom.lock("root") if row["package"] == "base-files")
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", sbom.cached(row)], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        return {
            pathlib.PurePosixPath(member.name).name: archive.extractfile(member).read()
            for member in archive
            if member.isfile() and "/usr/share/common-licenses/" in f"/{member.name.removeprefix('./')}"
        }


def collect(work: pathlib.Path) -> dict[str, bytes]:
    """The archive's files by path."""
    files = {f"debian/common-licenses/{name}": text for name, text in common_licences().items()}
    files["attendance/LICENSE"] = pathlib.Path("/src/LICENSE").read_bytes()
    index = ["attendance\tMIT\tattendance/LICENSE"]
    missing = []
    for package, row in sbom.shipped().items():
        text = sbom.copyright_of(row)
        if not text:
            missing.append(package)
            continue
        files[f"debian/{package}/copyright"] = text.encode()
        index.append(f"{package} {row['version']}\t{', '.join(sbom.deb_licences(row))}\tdebian/{package}/copyright")
    packages, _, seen = sbom.crate_graph(work)
    for package in sorted((packages[id_] for id_ in seen), key=lambda p: (p["name"], p["version"])):
        name = f"{package['name']}-{package['version']}"
        texts = crate_texts(pathlib.Path(package["manifest_path"]).parent, package.get("license_file"))
        paths = [f"crates/{name}/{path.name}" for path in texts]
        files.update({path: text.read_bytes() for path, text in zip(paths, texts, strict=True)})
        said = ", ".join(paths)
        if not said:
            own = not package.get("source")
            said = "attendance/LICENSE" if own else "the crate ships no text of its own"
        index.append(f"{package['name']} {package['version']}\t{package.get('license') or 'see its text'}\t{said}")
    for model in sbom.models(work):
        licence = ", ".join(next(iter(entry["license"].values())) for entry in model["licenses"])
        index.append(f"{model['name']}\t{licence}\tmodels/")
    folder = work / "models"
    files.update({f"models/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.txt"))})
    if missing:
        sys.exit(f"licences.py: no copyright file found for {', '.join(missing)}")
    files["INDEX.txt"] = ("\n".join(["component\tlicence\ttexts", *index]) + "\n").encode()
    return files


def write(files: dict[str, bytes], out: io.RawIOBase, date: int) -> None:
    """The same archive for the same files: sorted, without owners, dated."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f"licences/{name}")
            member.size, member.mtime, member.mode = len(content), date, 0o644
            archive.addfile(member, io.BytesIO(content))


def text(files: dict[str, bytes]) -> str:
    """The index, then every text once, under the names of all that it belongs to: crates share texts."""
    belongs: dict[bytes, list[str]] = {}
    for name, content in sorted(files.items()):
        if name != "INDEX.txt":
            belongs.setdefault(content, []).append(name)
    line = "=" * 78
    parts = [files["INDEX.txt"].decode()]
    parts += ["\n".join([line, *names, line, content.decode(errors="replace")]) for content, names in belongs.items()]
    return "\n\n".join(parts)


if __name__ == "__main__":
    found = collect(pathlib.Path(sys.argv[1]))
    if sys.argv[2:] == ["--text"]:
        sys.stdout.write(text(found))
    else:
        write(found, sys.stdout.buffer, int(os.environ["SOURCE_DATE_EPOCH"]))
