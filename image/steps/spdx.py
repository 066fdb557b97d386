#!/usr/bin/env python3
"""The bill of materials in SPDX 3.0.1 (JSON-LD), from the one in CycloneDX: spdx.py < BILL.cdx.json >
BILL.spdx.json.

The same components, licences, sums, source packages, files and dependencies, in the other format's words.
sbom.py decides what is in both.
"""

import json
import re
import sys
import urllib.parse
from collections.abc import Iterable
from typing import Any

Element = dict[str, Any]

# SPDX's words for CycloneDX's kinds of components.
PURPOSES = {"firmware": "firmware", "application": "application", "library": "library", "machine-learning-model": "model"}
# What the format itself asks for: its context is named, and never fetched here.
CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
INFO = "_:made"


class Document:
    """Elements by their identifier, each once."""

    def __init__(self, bill: dict[str, Any]) -> None:
        self.space = bill["serialNumber"] + "#"
        self.elements: dict[str, Element] = {}
        made = bill["metadata"]["timestamp"]
        maker = self.named("Organization", "made-by", "attendance")
        self.info = {"type": "CreationInfo", "@id": INFO, "specVersion": "3.0.1", "created": made, "createdBy": [maker]}

    def add(self, kind: str, reference: str, **words: Any) -> str:
        """An element's identifier, which follows from its reference."""
        spdx_id = self.space + urllib.parse.quote(reference, safe="/@:+.-_")
        self.elements.setdefault(spdx_id, {"type": kind, "spdxId": spdx_id, "creationInfo": INFO, **words})
        return spdx_id

    def named(self, kind: str, reference: str, name: str, **words: Any) -> str:
        return self.add(kind, reference, name=name, **words)

    def relate(self, kind: str, origin: str, ends: Iterable[str]) -> None:
        """Beside what was related before. Sorted: the same bill gives the same bytes."""
        if found := set(ends):
            place = self.add("Relationship", f"{kind}/{origin.removeprefix(self.space)}", relationshipType=kind, **{"from": origin}, to=[])
            self.elements[place]["to"] = sorted(found.union(self.elements[place]["to"]))

    def component(self, stated: dict[str, Any], purpose: str) -> str:
        """A package with its sums, supplier, licences, source and files."""
        words = {"software_primaryPurpose": purpose}
        if stated.get("version"):
            words["software_packageVersion"] = stated["version"]
        if stated.get("purl"):
            words["software_packageUrl"] = stated["purl"]
        if stated.get("description"):
            words["description"] = stated["description"]
        if supplier := stated.get("supplier", {}).get("name"):
            words["suppliedBy"] = self.named("Organization", f"supplier/{supplier}", supplier)
        if sums := stated.get("hashes"):
            words["verifiedUsing"] = [
                {"type": "Hash", "algorithm": stated_sum["alg"].lower().replace("-", ""), "hashValue": stated_sum["content"]}
                for stated_sum in sums
            ]
        package = self.named("software_Package", stated.get("bom-ref") or f"source/{stated['purl']}", stated["name"], **words)
        if text := expression(stated.get("licenses", [])):
            licence = self.add("simplelicensing_LicenseExpression", f"licence/{text}", simplelicensing_licenseExpression=text)
            self.relate("hasDeclaredLicense", package, [licence])
        for source in stated.get("pedigree", {}).get("ancestors", []):
            self.relate("generates", self.component(source, "source"), [package])
        places = [place["location"] for place in stated.get("evidence", {}).get("occurrences", [])]
        self.relate("contains", package, [self.named("software_File", f"file{place}", place) for place in places])
        return package


def expression(licences: list[dict[str, Any]]) -> str:
    """One SPDX expression of CycloneDX's licences; a name that SPDX does not know is a reference of ours."""
    parts = []
    for licence in licences:
        if "expression" in licence:
            parts.append(f"({licence['expression']})" if len(licences) > 1 else licence["expression"])
        elif "id" in licence["license"]:
            parts.append(licence["license"]["id"])
        else:
            name = licence["license"]["name"].removeprefix("LicenseRef-")
            parts.append("LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name))
    return " AND ".join(parts)


def convert(bill: dict[str, Any]) -> dict[str, Any]:
    """The whole document."""
    document = Document(bill)
    image = document.component(bill["metadata"]["component"], "firmware")
    references = {bill["metadata"]["component"]["bom-ref"]: image}
    for component in bill["components"]:
        references[component["bom-ref"]] = document.component(component, PURPOSES[component["type"]])
    for dependency in bill["dependencies"]:
        document.relate("dependsOn", references[dependency["ref"]], (references[other] for other in dependency["dependsOn"]))
    everything = sorted(document.elements)
    bom = document.add("software_Sbom", "sbom", rootElement=[image], element=everything, software_sbomType=["build"])
    document.add(
        "SpdxDocument",
        "document",
        name=f"{bill['metadata']['component']['name']} {bill['metadata']['component']['version']}",
        rootElement=[bom],
        element=[*everything, bom],
        profileConformance=["core", "software", "simpleLicensing"],
    )
    elements = [document.elements[spdx_id] for spdx_id in sorted(document.elements)]
    return {"@context": CONTEXT, "@graph": [document.info, *elements]}


if __name__ == "__main__":
    json.dump(convert(json.load(sys.stdin)), sys.stdout, indent=1, sort_keys=True)
    print()
