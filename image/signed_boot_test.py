#!/usr/bin/env python3
"""Tests of signed boot: the real step makes and signs a slot, the emulated EEPROM starts it or refuses it."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from emulation import eeprom

HERE = pathlib.Path(__file__).parent
STEPS = HERE / "steps"
sys.path.insert(0, str(STEPS))
import customer_key  # noqa: E402

EPOCH = 1796000000
# The limit for a boot.img.
LIMIT_MIB = 96
FILES = {
    "config.txt": b"[all]\nkernel=vmlinuz\ninitramfs initramfs.zst followkernel\ncmdline=cmdline.txt\n",
    "cmdline.txt": b"quiet attendance.verity=1:a:b\n",
    "vmlinuz": b"a kernel" * 1000,
    "initramfs.zst": b"an initramfs",
}
# A throw-away key. For the example key of Raspberry Pi's tools, customer_key.py gives the hash in their
# guide.
KNOWN_KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1PQKEzDslALnsXA4lRAV
CV14itKIjTng6Nx4POkolwTcGzj5sqFgkbkx+CfzoDoHXg/0bRi2v+BFjNln1pkJ
inRSjbJsqpEqyenAwGkDJD9s74N7kHQxsDec4HuianbThiYI9vDfc3zN6aDPu48q
nRtH8gPFkvtlK486qyu4JG4OzMFFK4vAZars0gN+1ktWVy0ULl16V3KxufXXDXVy
MTaAYnuYnovdBwFaFu1koOqlnrglwPnaijKqYY9Z33ZdO7lvHnkXZ5Wj5uJX/xJg
4TJLgAdfv7gHgzOSfk053jGFtKuDmFsNBVpwWi3/XoiB+MkGZZxMR+h3gOA0vEeL
SQIDAQAB
-----END PUBLIC KEY-----
"""
KNOWN_HASH = "2252b81b3194f9f1630c771721e1fd876372348bec91534238c08b2076c70cba"


def run(*command: object, **more: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, **more)


def new_key(folder: pathlib.Path, name: str, bits: int = 2048) -> tuple[pathlib.Path, pathlib.Path]:
    """A throw-away key: (private, public)."""
    private, public = folder / f"{name}.pem", folder / f"{name}.public.pem"
    run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", private)
    run("openssl", "pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def make_slot(files: pathlib.Path, slot: pathlib.Path, private: pathlib.Path, public: pathlib.Path) -> None:
    """By the step that makes the image's own slots."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "VERSION": "1.0.0"}
    with private.open("rb") as key:
        run(STEPS / "signed-slot", files, slot, public, stdin=key, env=environment)


class SignedBoot(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.kept = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.kept.cleanup)
        cls.place = pathlib.Path(cls.kept.name)
        cls.private, cls.public = new_key(cls.place, "customer")
        cls.files = cls.place / "boot"
        cls.files.mkdir()
        for name, content in FILES.items():
            (cls.files / name).write_bytes(content)
        cls.slot = cls.place / "slot"
        make_slot(cls.files, cls.slot, cls.private, cls.public)
        cls.image = cls.place / "disk.img"
        with cls.image.open("wb") as disk:
            disk.truncate(900 << 20)
        run("sfdisk", "--quiet", cls.image, input=(HERE / "partitions.sfdisk").read_bytes())
        for number in (1, 2, 3):
            offset, size = eeprom.partitions(cls.image)[number]
            run("mformat", "-i", f"{cls.image}@@{offset}", "-F", "-c", "1", "-T", size // 512, "::")
        eeprom.write(cls.image, 1, "autoboot.txt", b"[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n")

    def setUp(self) -> None:
        # Each test has a card of its own, with what the step made in slot A.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.card = self.folder / "card.img"
        run("cp", "--sparse=always", self.image, self.card)
        for file in self.slot.iterdir():
            eeprom.write(self.card, 2, file.name, file.read_bytes())

    def boot(self, customer_key: pathlib.Path | None = None, tryboot: bool = False) -> eeprom.Boot:
        return eeprom.boot(self.card, tryboot, self.folder, customer_key)

    def refused(self, words: str, customer_key: pathlib.Path | None = None, tryboot: bool = False) -> None:
        with self.assertRaisesRegex(eeprom.BootError, words):
            self.boot(customer_key or self.public, tryboot)

    def remove(self, name: str) -> None:
        offset, _ = eeprom.partitions(self.card)[2]
        run("mdel", "-i", f"{self.card}@@{offset}", f"::{name}")

    def test_what_the_customer_signed_starts(self) -> None:
        started = self.boot(self.public)
        self.assertTrue(started.signed)
        self.assertEqual((started.partition, started.cmdline), (2, FILES["cmdline.txt"].decode().strip()))
        self.assertEqual(started.kernel.read_bytes(), FILES["vmlinuz"])
        self.assertEqual(started.initramfs.read_bytes(), FILES["initramfs.zst"])

    def test_it_starts_on_a_board_without_a_key_too(self) -> None:
        started = self.boot()
        self.assertFalse(started.signed)
        self.assertEqual(started.kernel.read_bytes(), FILES["vmlinuz"])

    def test_a_flipped_bit_is_refused(self) -> None:
        for byte in (0, 1 << 20, -1):
            changed = bytearray((self.slot / "boot.img").read_bytes())
            changed[byte] ^= 1
            eeprom.write(self.card, 2, "boot.img", bytes(changed))
            self.refused("another hash")

    def test_a_hash_without_its_signature_is_refused(self) -> None:
        # Somebody changes boot.img and writes its new hash, which needs no key.
        changed = bytearray((self.slot / "boot.img").read_bytes())
        changed[1 << 20] ^= 1
        (self.folder / "boot.img").write_bytes(changed)
        digest = run("sha256sum", self.folder / "boot.img").stdout[:64]
        eeprom.write(self.card, 2, "boot.img", bytes(changed))
        eeprom.write(self.card, 2, "boot.sig", digest + (self.slot / "boot.sig").read_bytes()[64:])
        self.refused("not signed")

    def test_another_key_is_refused(self) -> None:
        _, stranger = new_key(self.folder, "stranger")
        self.refused("not signed", stranger)

    def test_without_signature_nothing_starts(self) -> None:
        self.remove("boot.sig")
        self.refused("no boot.sig")
        for text in (b"", (self.slot / "boot.sig").read_bytes()[:65], (self.slot / "boot.sig").read_bytes().replace(b"ts:", b"at:")):
            eeprom.write(self.card, 2, "boot.sig", text)
            self.refused("form of a signature")

    def test_loose_files_count_for_nothing(self) -> None:
        for name, content in FILES.items():
            eeprom.write(self.card, 2, name, content.replace(b"kernel", b"attack"))
        self.assertEqual(self.boot(self.public).kernel.read_bytes(), FILES["vmlinuz"])
        self.remove("boot.img")
        self.refused("no boot.img")
        # The same slot is what other boards start.
        self.assertIn(b"attack", eeprom.read(self.card, 2, "vmlinuz"))

    def test_the_other_slot_is_verified_on_a_trial(self) -> None:
        for file in self.slot.iterdir():
            eeprom.write(self.card, 3, file.name, file.read_bytes())
        self.assertEqual(self.boot(self.public, tryboot=True).partition, 3)
        eeprom.write(self.card, 3, "boot.sig", b"")
        self.refused("form of a signature", tryboot=True)
        self.assertEqual(self.boot(self.public).partition, 2)

    def test_a_slot_that_is_written_without_its_free_end_is_whole(self) -> None:
        # As the bundle and the card's image have it: boot.img ends with zeros, and these are signed.
        image = self.folder / "boot.vfat"
        words = ["SOURCE_DATE_EPOCH", "VERSION", "HERE", "SLOT", "IMAGE"]
        values = [str(EPOCH), "1.0.0", str(STEPS), str(self.slot), str(image)]
        script = '. "$HERE/fat.sh"; fat "$IMAGE" 262144 BOOT "$SLOT" boot.img'
        run("bash", "-euc", script, env={**os.environ, **dict(zip(words, values, strict=True))})
        used = int(run(STEPS / "used", image).stdout)
        self.assertLess(used, image.stat().st_size)
        offset, size = eeprom.partitions(self.card)[2]
        with self.card.open("r+b") as card:
            # What an earlier system left behind it.
            card.seek(offset)
            card.write(b"\xff" * size)
            card.seek(offset)
            card.write(image.read_bytes()[:used])
        self.assertTrue(self.boot(self.public).signed)

    def test_the_same_files_give_the_same_bits(self) -> None:
        again = self.folder / "again"
        make_slot(self.files, again, self.private, self.public)
        for name in ("boot.img", "boot.sig", "config.txt"):
            self.assertEqual((again / name).read_bytes(), (self.slot / name).read_bytes(), name)
        self.assertEqual((again / "boot.sig").read_text().splitlines()[1], f"ts: {EPOCH}")

    def test_a_key_that_does_not_fit_signs_nothing(self) -> None:
        _, stranger = new_key(self.folder, "stranger")
        with self.assertRaises(subprocess.CalledProcessError) as failed:
            make_slot(self.files, self.folder / "slot", self.private, stranger)
        self.assertIn(b"does not fit the key", failed.exception.stderr)

    def test_too_many_boot_files_are_refused(self) -> None:
        files = self.folder / "boot"
        shutil.copytree(self.files, files)
        with (files / "vmlinuz").open("wb") as kernel:
            kernel.truncate(LIMIT_MIB << 20)
        with self.assertRaises(subprocess.CalledProcessError) as failed:
            make_slot(files, self.folder / "slot", self.private, self.public)
        self.assertIn(b"are the limit", failed.exception.stderr)

    def test_the_keys_hash_is_the_one_in_otp(self) -> None:
        (self.folder / "known.pem").write_text(KNOWN_KEY)
        self.assertEqual(customer_key.otp_hash(str(self.folder / "known.pem")), KNOWN_HASH)


if __name__ == "__main__":
    unittest.main()
