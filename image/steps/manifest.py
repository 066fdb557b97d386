#!/usr/bin/env python3
"""What an image is made of and how to recognise it: revision, root hash, locks, and where its room goes.

manifest.py WORK > manifest.json
"""

import collections
import hashlib
import json
import os
import pathlib
import sys

import customer_key

# Folders of the root file system that a reader wants to see separately.
PLACES = [
    "usr/bin/attendance",
    "usr/share/attendance/models",
    "usr/lib/modules",
    "usr/lib/firmware",
    "usr/lib/systemd",
    "usr/lib/aarch64-linux-gnu",
]


def main() -> None:
    work = pathlib.Path(sys.argv[1])
    blocks, salt, root_hash = (work / "root.verity").read_text().strip().split(":")
    root = work / "root"
    json.dump(
        {
            "image": "attendance-rpi5",
            "version": os.environ["VERSION"],
            "revision": os.environ["REVISION"],
            "source_date_epoch": int(os.environ["SOURCE_DATE_EPOCH"]),
            "kernel": (work / "kernel/abi").read_text().strip(),
            "root": {"hash": root_hash, "salt": salt, "blocks": int(blocks), "bytes": (work / "root.img").stat().st_size},
            "sha256": {name: digest(work / name) for name in ("root.img", "boot.vfat", "disk.img", "initramfs.zst", "program/attendance")},
            "locks": {path.stem: digest(path) for path in locks(work)},
            **signed_boot(work),
            "packages": len((work / "root.debs").read_text().splitlines()),
            "uncompressed_bytes": sizes(root),
        },
        sys.stdout,
        indent=1,
    )
    print()


def locks(work: pathlib.Path) -> list[pathlib.Path]:
    """The project's locks, and that of another archive's kernel."""
    return [*sorted(pathlib.Path("/src/image/lock").glob("*.lock")), *work.glob("kernel.lock")]


def signed_boot(work: pathlib.Path) -> dict[str, dict[str, str]]:
    """Of an image with signed boot: the key's hash as OTP must have it, and what is signed."""
    public = work / "keys/boot-public.pem"
    if not public.exists():
        return {}
    return {"signed_boot": {"customer_key_hash": customer_key.otp_hash(str(public)), "boot.img": digest(work / "slot/boot.img")}}


def sizes(root: pathlib.Path) -> dict[str, int]:
    """Bytes before compression, by place; `elsewhere` is the rest."""
    total = collections.Counter()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            relative = str(path.relative_to(root))
            total[next((place for place in PLACES if relative.startswith(place)), "elsewhere")] += path.stat().st_size
    return dict(total.most_common())


def digest(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
