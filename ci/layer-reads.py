#!/usr/bin/env python3
"""Reads every file of the layer as BitBake would, without BitBake and without other layers: layer-reads.py
LAYER

Assignments end where they should, python compiles, shell parses, and what is stated twice agrees.
"""

import os
import re
import subprocess
import sys

ASSIGNMENT = re.compile(
    r"^(export\s+)?[A-Za-z0-9_.~+/\-${}:%@]+(\[[A-Za-z0-9_.:\-+]+\])?\s*(:=|\?\?=|\?=|\+=|=\+|\.=|=\.|=)\s*(['\"].*)$", re.DOTALL
)
STATEMENT = re.compile(r"^(inherit|inherit_defer|require|include|addtask|deltask|addhandler|addpylib|EXPORT_FUNCTIONS|export)\s")
FUNCTION = re.compile(r"^(python\s+|fakeroot\s+)*([A-Za-z0-9_.:${}@\-]*)\s*\(\)\s*\{$")
DEFINITION = re.compile(r"^def\s+\w+\(.*\):$")
bad = 0


def complain(path, line, text):
    global bad
    bad = 1
    print("%s:%d: %s" % (path, line, text), file=sys.stderr)


def python(path, line, code):
    try:
        compile(code, path, "exec")
    except SyntaxError as error:
        complain(path, line + (error.lineno or 1) - 1, "python: %s" % error.msg)


def shell(path, line, body):
    # BitBake puts values in place of these first.
    body = re.sub(r"\$\{@.*?\}(?=[^}]|$)", "value", body)
    said = subprocess.run(["sh", "-n"], input=body, capture_output=True, text=True)
    if said.returncode:
        complain(path, line, "shell: %s" % said.stderr.strip())


def inline(path, line, value):
    # As BitBake does: variables first, then python.
    value = re.sub(r"\$\{[A-Za-z0-9_\-+./~:]+\}", "value", value)
    for code in re.findall(r"\$\{@(.*?)\}(?=[^}]|$)", value, re.DOTALL):
        python(path, line, "(%s)" % code.strip())


def read(path):
    lines = open(path).read().split("\n")
    at = 0
    while at < len(lines):
        first, text = at, lines[at]
        at += 1
        if not text.strip() or text.startswith("#"):
            continue
        if text.rstrip() != text:
            complain(path, first + 1, "white space at the end of the line")
        function = FUNCTION.match(text)
        if function:
            body = []
            while at < len(lines) and lines[at] != "}":
                body.append(lines[at])
                at += 1
            if at == len(lines):
                complain(path, first + 1, "the function does not end")
            at += 1
            if path.endswith(".bbappend") and ":appliance" not in function.group(2):
                complain(path, first + 1, "without the override appliance it changes the recipe for every distribution")
            if text.startswith("python"):
                python(path, first + 1, "def function():\n" + "\n".join(body or ["    pass"]))
            else:
                shell(path, first + 1, "\n".join(body))
            continue
        if DEFINITION.match(text):
            body = [text]
            while at < len(lines) and (not lines[at] or lines[at][0] in " \t"):
                body.append(lines[at])
                at += 1
            python(path, first + 1, "\n".join(body))
            continue
        while text.endswith("\\") and at < len(lines):
            text = text[:-1] + "\n" + lines[at]
            at += 1
        assignment = ASSIGNMENT.match(text)
        if assignment and path.endswith(".bbappend") and ":appliance" not in text.partition("=")[0]:
            complain(path, first + 1, "without the override appliance it changes the recipe for every distribution")
        if assignment:
            value = assignment.group(4)
            if len(value) < 2 or value[-1] != value[0]:
                complain(path, first + 1, "the value does not end with the quote that it begins with")
            elif value[0] in value[1:-1].replace("\\" + value[0], ""):
                complain(path, first + 1, "a quote inside the value")
            inline(path, first + 1, value)
        elif STATEMENT.match(text):
            inline(path, first + 1, text)
        else:
            complain(path, first + 1, "BitBake knows no such statement: %s" % text[:60])


def numbers(layer):
    """Accounts: sysusers.d and the tables of useradd-staticids state the same."""
    tables = {}
    for kind in ("passwd", "group"):
        with open(os.path.join(layer, "files/attendance-" + kind)) as file:
            rows = [line.split(":") for line in file.read().splitlines() if line and line[0] != "#"]
        tables[kind] = {row[0]: row[2] for row in rows}
        if len(set(tables[kind].values())) != len(rows):
            complain("files/attendance-" + kind, 1, "one number twice")
    for folder, _, names in os.walk(layer):
        for name in names if folder.endswith("sysusers.d") else ():
            path = os.path.join(folder, name)
            for number, line in enumerate(open(path), 1):
                words = line.split()
                if not words or words[0] not in ("u", "g"):
                    continue
                for kind in ("passwd", "group") if words[0] == "u" else ("group",):
                    if tables[kind].get(words[1]) != words[2]:
                        complain(
                            path,
                            number,
                            "%s has number %s here and %s in files/attendance-%s" % (words[1], words[2], tables[kind].get(words[1]), kind),
                        )


def recipes(layer):
    """Names that hide no other layer's recipe, and folders of files that some recipe installs."""
    for folder, folders, names in os.walk(layer):
        for name in names:
            if not name.endswith(".bb") or name.startswith("attendance"):
                continue
            path = os.path.join(folder, name)
            if name not in ("libcamera_0.7.1.bb", "tpm2-tss_4.1.3.bb"):
                complain(path, 1, "a recipe of this layer is named attendance or attendance-SOMETHING")
            # DEFAULT_PREFERENCE would not do: a layer's priority counts more.
            if 'REQUIRED_DISTRO_FEATURES = "attendance"' not in open(path).read():
                complain(path, 1, "it would be taken in every distribution: REQUIRED_DISTRO_FEATURES is missing")
        if "files" in folders and folder.startswith(os.path.join(layer, "recipes-")):
            if not any(name.endswith((".bb", ".bbappend")) for name in names):
                complain(folder, 1, "scripts/build-image installs files/ of this folder, and no recipe does")


def main(layer):
    count = 0
    for folder, folders, names in os.walk(layer):
        folders[:] = sorted(name for name in folders if name != "files")
        for name in sorted(names):
            if name.endswith((".bb", ".bbappend", ".bbclass", ".inc", ".conf")):
                read(os.path.join(folder, name))
                count += 1
    numbers(layer)
    recipes(layer)
    if not bad:
        print("%s: %d files read as BitBake reads them" % (layer, count))
    return bad


sys.exit(main(sys.argv[1].rstrip("/")))
