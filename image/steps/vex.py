#!/usr/bin/env python3
"""What known vulnerabilities mean for this image: image/vex.json, in OpenVEX 0.2.0.

vex.py VEX BILL.cdx.json > NAME.vex.json    checked against the image's bill of materials, dated as that is
vex.py VEX                                  only checked, against the locks: for CI, which has no image

A statement names the exact versions that it was made for. When a component gets another version the check
fails: somebody then looks at the statement again, and changes or removes it.
"""

import json
import pathlib
import re
import sys
import tomllib
from collections.abc import Container
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
PRODUCT = "pkg:generic/attendance-rpi5"
STATES = {"not_affected", "affected", "fixed", "under_investigation"}
JUSTIFICATIONS = {
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
}
# In a package's address what may come behind the version (architecture, say) does not tell components apart.
VERSION = re.compile(r"(pkg:[a-z]+/[^?#]+@[^?#]+)")


def wrong(document: dict[str, Any], present: Container[str]) -> list[str]:
    """What is wrong with the document; `present`: addresses of components, up to their version."""
    found = [] if document.get("@context") == "https://openvex.dev/ns/v0.2.0" else ["@context is not OpenVEX 0.2.0"]
    found += [f"{field} is missing" for field in ("@id", "author", "timestamp", "version") if not document.get(field)]
    for number, statement in enumerate(document.get("statements", []), 1):
        name = statement.get("vulnerability", {}).get("name", f"statement {number}")
        state = statement.get("status")
        if state not in STATES:
            found.append(f"{name}: the status {state!r} is none of OpenVEX")
        if state == "not_affected" and statement.get("justification") not in JUSTIFICATIONS:
            found.append(f"{name}: not_affected needs a justification")
        if state == "affected" and not statement.get("action_statement"):
            found.append(f"{name}: affected needs an action_statement")
        products = statement.get("products", [])
        parts = [part.get("@id", "") for product in products for part in product.get("subcomponents", [])]
        if [product.get("@id") for product in products] != [PRODUCT] or not parts:
            found.append(f"{name}: names another product than {PRODUCT}, or no component of it")
        for part in parts:
            address = VERSION.match(part)
            if not address or address[1] not in present:
                found.append(f"{name}: the image has no {part}")
    return found


def of_bill(bill: dict[str, Any]) -> set[str]:
    """The addresses of a bill's components."""
    return {found[1] for component in bill["components"] if (found := VERSION.match(component.get("purl", "")))}


def of_locks() -> set[str]:
    """Those that the locks allow. An image has fewer: some only build or test."""
    sys.path.insert(0, str(HERE.parent))
    import locks
    import origin

    rows = [row for name in ("root", "initramfs") for row in locks.read_lock(name)]
    found = {VERSION.match(origin.package_url(row["package"], row["version"], row["architecture"]))[1] for row in rows}
    crates = tomllib.loads((HERE.parents[1] / "Cargo.lock").read_text())["package"]
    return found | {f"pkg:cargo/{crate['name']}@{crate['version']}" for crate in crates}


def main() -> None:
    document = json.loads(pathlib.Path(sys.argv[1]).read_text())
    bill = json.loads(pathlib.Path(sys.argv[2]).read_text()) if len(sys.argv) > 2 else None
    if found := wrong(document, of_bill(bill) if bill else of_locks()):
        sys.exit("\n".join(f"vex: {line}" for line in found))
    if bill:
        image = bill["metadata"]["component"]
        document |= {"@id": f"{document['@id']}:{image['version']}", "timestamp": bill["metadata"]["timestamp"]}
        for product in (product for statement in document["statements"] for product in statement["products"]):
            product["@id"] = f"{PRODUCT}@{image['version']}"
        json.dump(document, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
