# SPDX-License-Identifier: MIT
"""The project around the layer: its version and its commit, as scripts/build-image states them."""

import os
import re
import subprocess


def source(d):
    """The folder of the project's sources, without `..` in it."""
    return os.path.normpath(d.getVar("ATTENDANCE_SOURCE"))


def stated_version(folder):
    """The workspace's version in the Cargo.toml of a folder; ValueError says why there is none, and what to
    do."""
    manifest = os.path.join(folder, "Cargo.toml")
    try:
        with open(manifest) as file:
            text = file.read()
    except OSError as error:
        raise ValueError(
            "%s cannot be read (%s): set ATTENDANCE_SOURCE to the folder of the project that this layer belongs to"
            % (manifest, error.strerror)
        ) from error
    section = re.search(r"^\[workspace\.package\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    found = section and re.search(r'^version = "([^"]+)"', section.group(1), re.MULTILINE)
    if not found:
        raise ValueError("%s states no version under [workspace.package]" % manifest)
    return found.group(1)


def version(d):
    """The workspace's version; `unknown` where none can be read, which attendance_sanity.bbclass refuses in
    one sentence. An exception here would end the parse with a stack trace."""
    try:
        return stated_version(source(d))
    except ValueError:
        return "unknown"


def _git(d, *words):
    command = ["git", "-C", source(d), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def commit(d):
    """The commit that is checked out, with `-dirty` if files differ from it; `unknown` without git."""
    revision = _git(d, "rev-parse", "HEAD")
    if not revision:
        return "unknown"
    return revision + ("-dirty" if _git(d, "status", "--porcelain") else "")


def commit_time(d):
    """When the commit was made, in seconds since 1970; without git the first second of 2025, which is
    reproducible, too."""
    return _git(d, "log", "-1", "--format=%ct") or "1735689600"


def image_version(d):
    """The image's version, in the form that scripts/build-image gives it: 0.1.0+20261129.0812.abc1234."""
    import time

    revision, _, dirty = commit(d).partition("-")
    date = time.strftime("%Y%m%d.%H%M", time.gmtime(int(commit_time(d))))
    return "%s+%s.%s%s" % (version(d), date, revision[:7], "-dirty" if dirty else "")
