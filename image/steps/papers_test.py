#!/usr/bin/env python3
"""Tests of the image's papers: where its parts come from (origin.py), their licences (licences.py), the bill
in SPDX (spdx.py) and what vulnerabilities mean (vex.py).

Where spdx-python-model is installed, SPDX's own model reads the bill.
"""

import contextlib
import copy
import io
import json
import pathlib
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import licences
import origin
import spdx
import vex

with contextlib.suppress(ImportError):
    from spdx_python_model.bindings import v3_0_1 as spdx_model

# Two packages of one source, a crate with a choice of licences, and weights that nobody licensed.
SOURCE = [{"type": "library", "name": "bash", "version": "5.2", "purl": "pkg:deb/debian/bash@5.2?arch=source"}]
BILL = {
    "serialNumber": "urn:uuid:12345678-1234-5678-1234-567812345678",
    "metadata": {
        "timestamp": "2026-11-29T12:00:00Z",
        "component": {"type": "firmware", "name": "attendance-rpi5", "version": "1.0", "bom-ref": "image/attendance-rpi5"},
    },
    "components": [
        {
            "type": "library",
            "name": "bash",
            "version": "5.2",
            "purl": "pkg:deb/debian/bash@5.2?arch=arm64&distro=trixie",
            "bom-ref": "deb/bash",
            "supplier": {"name": "Bash maintainers <bash@backend.example>"},
            "hashes": [{"alg": "SHA-256", "content": "aa" * 32}],
            "licenses": [{"license": {"id": "GPL-3.0-or-later"}}, {"license": {"name": "LicenseRef-debian_bash"}}],
            "pedigree": {"ancestors": SOURCE},
            "evidence": {"occurrences": [{"location": "/usr/bin/bash"}]},
        },
        {"type": "library", "name": "bash-doc", "version": "5.2", "bom-ref": "deb/bash-doc", "pedigree": {"ancestors": SOURCE}},
        {
            "type": "library",
            "name": "png",
            "version": "0.18.1",
            "purl": "pkg:cargo/png@0.18.1",
            "bom-ref": "crate/png@0.18.1",
            "licenses": [{"expression": "MIT OR Apache-2.0"}],
        },
        {"type": "machine-learning-model", "name": "embedder", "version": "", "bom-ref": "model/embedder"},
    ],
    "dependencies": [
        {"ref": "image/attendance-rpi5", "dependsOn": ["deb/bash", "model/embedder"]},
        {"ref": "deb/bash", "dependsOn": []},
    ],
}


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


class Spdx(unittest.TestCase):
    def setUp(self) -> None:
        self.document = spdx.convert(BILL)
        elements = {element["spdxId"]: element for element in self.document["@graph"][1:]}
        self.names = {spdx_id: element.get("name") for spdx_id, element in elements.items()}
        self.elements = elements

    def related(self, kind: str) -> dict[str, list[str]]:
        """The names of both ends of the relationships of a kind; of a licence, its expression."""
        text = {id_: element.get("simplelicensing_licenseExpression") for id_, element in self.elements.items()}
        found = [element for element in self.elements.values() if element.get("relationshipType") == kind]
        return {self.names[one["from"]]: [self.names[end] or text[end] for end in one["to"]] for one in found}

    def test_the_file_leads_to_its_package_and_source(self) -> None:
        self.assertEqual(self.related("contains"), {"bash": ["/usr/bin/bash"]})
        self.assertEqual(self.related("generates"), {"bash": ["bash", "bash-doc"]})
        self.assertEqual(self.related("dependsOn"), {"attendance-rpi5": ["bash", "embedder"]})

    def test_licences_are_one_expression(self) -> None:
        expected = {"bash": ["GPL-3.0-or-later AND LicenseRef-debian-bash"], "png": ["MIT OR Apache-2.0"]}
        self.assertEqual(self.related("hasDeclaredLicense"), expected)

    def test_every_reference_is_there(self) -> None:
        for element in self.elements.values():
            for field in ("to", "element", "rootElement"):
                self.assertLessEqual(set(element.get(field, [])), self.elements.keys())

    def test_the_order_of_the_bill_says_nothing(self) -> None:
        turned = BILL | {"components": BILL["components"][::-1], "dependencies": BILL["dependencies"][::-1]}
        self.assertEqual(spdx.convert(turned), self.document)

    @unittest.skipUnless("spdx_model" in globals(), "spdx-python-model is not installed")
    def test_the_model_of_spdx_reads_it(self) -> None:
        def read(document: dict) -> "spdx_model.SHACLObjectSet":
            found = spdx_model.SHACLObjectSet()
            spdx_model.JSONLDDeserializer().deserialize_data(document, found)
            return found

        found = read(self.document)
        self.assertEqual(found.missing_ids, set())
        self.assertEqual(
            {str(package.name) for package in found.foreach_type("software_Package")} - {"bash-doc"},
            {
                "attendance-rpi5",
                "bash",
                "embedder",
                "png",
            },
        )
        for field, value in (("unknown_field", 1), ("relationshipType", "unknown"), ("created", "yesterday")):
            broken = copy.deepcopy(self.document)
            next(element for element in broken["@graph"] if field in element or field == "unknown_field")[field] = value
            with self.assertRaises((ValueError, TypeError, KeyError)):
                read(broken)


class Vex(unittest.TestCase):
    def setUp(self) -> None:
        self.document = json.loads((pathlib.Path(__file__).resolve().parents[1] / "vex.json").read_text())
        self.present = vex.of_bill(BILL)

    def test_the_document_of_the_tree_is_right_for_its_locks(self) -> None:
        self.assertEqual(vex.wrong(self.document, vex.of_locks()), [])

    def test_a_component_that_the_bill_has_not_is_named(self) -> None:
        self.assertEqual(vex.wrong(self.document, self.present), [])
        for part in ("pkg:cargo/png@0.18.2", "pkg:deb/debian/bash@5.1", "png", ""):
            changed = copy.deepcopy(self.document)
            changed["statements"][0]["products"][0]["subcomponents"] = [{"@id": part}]
            self.assertIn(f"the image has no {part}", vex.wrong(changed, self.present)[0])

    def test_a_state_needs_its_reason(self) -> None:
        for change in ({"status": "harmless"}, {"justification": "we think so"}, {"status": "affected"}, {"products": []}):
            changed = copy.deepcopy(self.document)
            changed["statements"][0].update(change)
            self.assertEqual(len(vex.wrong(changed, self.present)), 1, change)


if __name__ == "__main__":
    unittest.main()
