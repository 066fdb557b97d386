#!/usr/bin/env python3
"""Tests of origin.py and licences.py: where the image's parts come from."""

import io
import pathlib
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import licences
import origin


class Origin(unittest.TestCase):
    def test_source_package_is_the_stated_one_or_of_the_same_name(self) -> None:
        fields = {"Package": "libc6", "Version": "2.41-12+b1"}
        self.assertEqual(origin.source(fields), ("libc6", "2.41-12+b1"))
        self.assertEqual(origin.source(fields | {"Source": "glibc"}), ("glibc", "2.41-12+b1"))
        self.assertEqual(origin.source(fields | {"Source": "glibc (2.41-12)"}), ("glibc", "2.41-12"))

    def test_dependency_is_met_by_name_alternative_or_provider(self) -> None:
        present = origin.names([{"Package": "libc6"}, {"Package": "mawk", "Provides": "awk (= 1), mawk-dev"}])
        fields = {"Package": "tool", "Pre-Depends": "libc6 (>= 2.34)", "Depends": "gawk | awk, debconf (>= 0.5), tool"}
        self.assertEqual(origin.needed(fields, present), ["libc6", "mawk"])

    def test_every_file_has_one_component(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path in (
                "usr/bin/bash",
                "usr/bin/attendance",
                "usr/lib/modules/7.3/updates/imx219.ko.xz",
                "usr/share/attendance/models/embedder.safetensors",
            ):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).touch()
            found = origin.occurrences(root, {"deb/bash": ["usr/bin/bash", "usr/share/doc/gone"]}, "project", "deb/linux-source")
        expected = {
            "deb/bash": ["/usr/bin/bash"],
            "project": ["/usr/bin/attendance"],
            "deb/linux-source": ["/usr/lib/modules/7.3/updates/imx219.ko.xz"],
            "model/embedder": ["/usr/share/attendance/models/embedder.safetensors"],
        }
        self.assertEqual(found, expected)


class Licences(unittest.TestCase):
    def test_texts_are_found_by_name_and_by_manifest(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for path in ("LICENSE-MIT", "license.md", "COPYING", "lib.rs", "licensing.rs", "TERMS"):
                (folder / path).touch()
            found = [path.name for path in licences.crate_texts(folder, "TERMS")]
        self.assertEqual(found, ["COPYING", "LICENSE-MIT", "TERMS", "license.md"])

    def test_same_files_make_the_same_archive(self) -> None:
        archives = []
        for files in ({"a": b"1", "b": b"2"}, {"b": b"2", "a": b"1"}):
            out = io.BytesIO()
            licences.write(files, out, 1796000000)
            archives.append(out.getvalue())
        self.assertEqual(archives[0], archives[1])
        with tarfile.open(fileobj=io.BytesIO(archives[0])) as archive:
            self.assertEqual(archive.getnames(), ["licences/a", "licences/b"])

    def test_each_text_stands_once_under_all_its_names(self) -> None:
        files = {"INDEX.txt": b"index", "crates/a/LICENSE": b"MIT text", "crates/b/LICENSE": b"MIT text", "c": b"\xff"}
        found = licences.text(files)
        self.assertTrue(found.startswith("index\n"))
        self.assertEqual(found.count("MIT text"), 1)
        self.assertIn("crates/a/LICENSE\ncrates/b/LICENSE\n", found)


if __name__ == "__main__":
    unittest.main()
