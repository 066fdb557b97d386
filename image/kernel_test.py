#!/usr/bin/env python3
"""Tests of `scripts/build-image --kernel raspberrypi` with a made-up kernel in an archive on loopback, signed
with a key of the test's own: resolving, locking, fetching, and the steps that take the kernel apart and judge
it.

No kernel of Raspberry Pi's is in here: modules, trees and overlays have its names, and nothing in them."""

import contextlib
import functools
import gzip
import hashlib
import io
import lzma
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from typing import Any
from unittest import mock

import kernel_archive
import locks
import packages
import vmlinuz
from emulation import eeprom
from security_test import server

HERE = pathlib.Path(__file__).resolve().parent
LISTS = HERE / "kernels/raspberrypi"
# A plain arm64 image as far as its header goes.
IMAGE = b"MZ".ljust(56, b"\0") + b"ARM\x64" + bytes(4000)
# Required drivers that arch/arm64/configs/bcm2712_defconfig builds into the kernel, outside the folders that
# modules.list names.
BUILT_IN = ("kernel/net/ipv4/netfilter/nf_defrag_ipv4.ko", "kernel/drivers/mfd/rp1.ko")
# Where the kernel's source has required drivers that modules.list keeps by their folder.
FOLDERS = {
    "bcm2711_thermal": "drivers/thermal/broadcom",
    "sdhci-brcmstb": "drivers/mmc/host",
    "dwc3": "drivers/usb/dwc3",
    "brcmfmac": "drivers/net/wireless/broadcom/brcm80211/brcmfmac",
    "drm-rp1-dsi": "drivers/gpu/drm/rp1/rp1-dsi",
    "rp1-cfe": "drivers/media/platform/raspberrypi/rp1_cfe",
    "pisp-be": "drivers/media/platform/raspberrypi/pisp_be",
    "uvcvideo": "drivers/media/usb/uvc",
    "vfat": "fs/fat",
    "algif_skcipher": "crypto",
    "algif_hash": "crypto",
    "md4": "crypto",
    "des_generic": "crypto",
}
LAYOUTS = {"6.18.34+rpt-rpi-2712": "usr/lib/linux-image-{}", "7.0.0-1001-raspi": "usr/lib/firmware/{}/device-tree"}


def run(*command: str | pathlib.Path, check: bool = True, **options: Any) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, check=check, **options)


def module(aliases: list[str]) -> bytes:
    """A kernel module that says which devices it is for, and nothing else: an ELF file with one section."""
    stated = b"".join(f"{line}\0".encode() for line in ["license=GPL", "depends=", *(f"alias={alias}" for alias in aliases)])
    names = b"\0.shstrtab\0.modinfo\0"
    place = 64 + len(names)
    table = place + len(stated)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 1, 183, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 1)
    section = struct.Struct("<IIQQQQIIQQ")
    rows = [(0,) * 10, (1, 3, 0, 0, 64, len(names), 0, 0, 1, 0), (11, 1, 2, 0, place, len(stated), 0, 0, 1, 0)]
    return header + names + stated + b"".join(section.pack(*row) for row in rows)


def tree(path: pathlib.Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    run("dtc", "-q", "-@", "-O", "dtb", "-o", path, "-", input=f"/dts-v1/;\n{source}")


def required() -> list[list[str]]:
    """The rows of the kernel's list: names of a driver, names of a device."""
    rows = [line.split(None, 2) for line in (LISTS / "required.list").read_text().splitlines() if line and line[0] != "#"]
    return [[driver.split("|")[0], "" if device == "-" else device.split("|")[0]] for driver, device, _ in rows]


def wanted() -> list[str]:
    """Every pattern that must match something, in the common list and in the kernel's."""
    texts = [(path / "modules.list").read_text() for path in (HERE, LISTS)]
    every = [line.strip() for text in texts for line in text.splitlines() if line.strip() and line[0] != "#"]
    optional = {line[1:] for line in every if line[0] == "?"}
    return [line for line in every if line[0] != "?" and line not in optional]


def drivers() -> dict[str, list[str]]:
    """{path of a module, below kernel/: the devices it is for}: one for each pattern, and each required
    driver in its folder, or where a pattern looks for its name."""
    found = {pattern.replace("*", f"x{number}"): [] for number, pattern in enumerate(wanted())}
    for driver, device in required():
        if driver.startswith(("CONFIG_", "overlay:")) or driver == "rp1":
            continue
        path = f"{FOLDERS[driver]}/{driver}" if driver in FOLDERS else by_name(driver)
        found[path] = [device] if device else []
    return found


def by_name(driver: str) -> str:
    """The path of a module that a pattern of modules.list keeps for its name."""
    for pattern in sorted(wanted(), key=lambda pattern: pattern.count("*")):
        last = pathlib.PurePath(pattern).name
        for spelt in (driver, driver.replace("-", "_")):
            if last.strip("*") and pathlib.PurePath(spelt).match(last):
                return str(pathlib.PurePath(pattern).with_name(spelt))
    raise AssertionError(f"no line of modules.list keeps {driver}")


def kernel(folder: pathlib.Path, abi: str) -> None:
    """The files of a kernel's packages, in `folder`."""
    modules = folder / "lib/modules" / abi
    for path, devices in drivers().items():
        content = module([f"of:N*T*C{device}{end}" for device in devices for end in ("", "C*")])
        place = modules / "kernel" / f"{path}.ko"
        place.parent.mkdir(parents=True, exist_ok=True)
        if "rpt" in abi:
            place.with_name(f"{place.name}.xz").write_bytes(lzma.compress(content, check=lzma.CHECK_CRC32))
        else:
            place.write_bytes(content)
    if "rpt" not in abi:
        run("zstd", "-q", "--rm", *modules.rglob("*.ko"))
    (modules / "modules.builtin").write_text("".join(f"{path}\n" for path in BUILT_IN))
    (modules / "modules.order").write_text("")
    (modules / "build").symlink_to("/usr/src/nowhere")
    boot = folder / "boot"
    boot.mkdir()
    (boot / f"vmlinuz-{abi}").write_bytes(gzip.compress(IMAGE))
    (boot / f"System.map-{abi}").write_text("")
    (boot / f"config-{abi}").write_text("".join(f"{driver}\n" for driver, _ in required() if driver.startswith("CONFIG_")))
    place = folder / LAYOUTS[abi].format(abi)
    devices = "".join(f'd{number} {{ compatible = "{device}"; }};' for number, (_, device) in enumerate(required()) if device)
    for board in ("bcm2712-rpi-5-b", "bcm2712d0-rpi-5-b", "bcm2712-rpi-cm5-cm5io", "bcm2711-rpi-4-b"):
        tree(place / f"broadcom/{board}.dtb", f"/ {{ {devices} }};")
    overlay = place / "overlays/none.dtbo"
    tree(overlay, '/plugin/; / { fragment@0 { target-path = "/"; __overlay__ { }; }; };')
    for name in [driver.removeprefix("overlay:") for driver, _ in required() if driver.startswith("overlay:")]:
        shutil.copy(overlay, place / f"overlays/{name}.dtbo")
    tree(place / "overlays/overlay_map.dtb", "/ { };")


def package(pool: pathlib.Path, name: str, depends: str, files: pathlib.Path | None = None) -> str:
    """A Debian package in `pool`; its stanza in the archive's index."""
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch, "root")
        if files:
            shutil.copytree(files, root, symlinks=True)
        (root / "DEBIAN").mkdir(parents=True)
        text = root / f"usr/share/doc/{name}/copyright"
        text.parent.mkdir(parents=True)
        text.write_text("License: GPL-2\n")
        fields = f"Package: {name}\nVersion: 1.0-1\nArchitecture: arm64\nMaintainer: Test <test@backend.example>\nDescription: made up\n"
        fields += f"Depends: {depends}\n" if depends else ""
        (root / "DEBIAN/control").write_text(fields)
        deb = pool / f"{name}_1.0-1_arm64.deb"
        run("dpkg-deb", "--build", "--root-owner-group", "-Zgzip", "-z1", root, deb)
    content = deb.read_bytes()
    return f"{fields}Filename: pool/{deb.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"


def key(folder: pathlib.Path) -> None:
    """A key of the test's own, and its public half as key.gpg."""
    folder.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", folder, "--batch", "--quiet")
    run(*gpg, "--passphrase", "", "--quick-generate-key", "archive", "rsa2048", "sign", "never")
    run(*gpg, "--output", folder / "key.gpg", "--export")


def sign(archive: pathlib.Path, home: pathlib.Path) -> None:
    """The archive's index, signed."""
    suite = archive / "dists/made-up"
    index = (suite / "main/binary-arm64/Packages").read_bytes()
    digest = hashlib.sha256(index).hexdigest()
    release = "Origin: Loopback\nSuite: made-up\nCodename: made-up\nDate: Sat, 28 Nov 2026 02:53:01 UTC\n"
    release += f"Architectures: arm64\nComponents: main\nSHA256:\n {digest} {len(index)} main/binary-arm64/Packages\n"
    gpg = ("gpg", "--homedir", home, "--batch", "--quiet", "--yes")
    run(*gpg, "--clearsign", "--output", suite / "InRelease", input=release)


@functools.cache
def made() -> tuple[pathlib.Path, tempfile.TemporaryDirectory]:
    """A folder with an archive of both kernels, the key that signed it, and another key."""
    # The sockets of gpg's agent want a short path.
    scratch = tempfile.TemporaryDirectory(prefix="k")
    unittest.addModuleCleanup(scratch.cleanup)
    folder = pathlib.Path(scratch.name)
    pool, index = folder / "archive/pool", []
    pool.mkdir(parents=True)
    for abi in LAYOUTS:
        files = folder / abi
        kernel(files, abi)
        for path in (files / "boot").glob("vmlinuz*"):
            image = folder / f"{abi}-image/boot"
            image.mkdir(parents=True)
            path.rename(image / path.name)
        modules = f"linux-modules-{abi}"
        index.append(package(pool, modules, "", files))
        index.append(package(pool, f"linux-image-{abi}", f"kmod, {modules}, initramfs-tools | linux-initramfs-tool", image.parent))
    index.append(package(pool, "linux-image-raspi", "linux-image-7.0.0-1001-raspi (= 1.0-1), linux-firmware-raspi"))
    index.append(package(pool, "linux-image-rpi-2712", "linux-image-6.18.34+rpt-rpi-2712 (= 1.0-1)"))
    place = folder / "archive/dists/made-up/main/binary-arm64"
    place.mkdir(parents=True)
    (place / "Packages").write_text("\n".join(index))
    for home in ("gpg", "other"):
        key(folder / home)
        unittest.addModuleCleanup(run, "gpgconf", "--homedir", folder / home, "--kill", "all", check=False)
    sign(folder / "archive", folder / "gpg")
    return folder, scratch


class Loopback(unittest.TestCase):
    """With the archive on loopback, and a folder of whoever builds that names it."""

    def setUp(self) -> None:
        self.made, _ = made()
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.folder = self.scratch / "folder"
        self.folder.mkdir()
        conf = self.scratch / "host.conf"
        conf.write_text('Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null"; Acquire::http::Proxy::127.0.0.1 "DIRECT";')
        for patch in (
            mock.patch.object(locks, "CACHE", self.scratch / "cache"),
            mock.patch.dict(os.environ, APT_CONFIG=str(conf), no_proxy="127.0.0.1", KERNEL_LOCK=""),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        address, _ = self.enterContext(server(self.made / "archive"))
        self.sources = f"Types: deb\nURIs: {address}/\nSuites: made-up\nComponents: main\nSigned-By: key.gpg\n"
        (self.folder / "archive.sources").write_text(self.sources)
        (self.folder / "packages.list").write_text("# the kernel\nlinux-image-raspi\n")
        shutil.copy(self.made / "gpg/key.gpg", self.folder)

    def lock(self) -> str:
        """Renew the lock; what was said."""
        with contextlib.redirect_stdout(io.StringIO()) as said:
            packages.update_kernel(self.folder)
        return said.getvalue()

    def refuses(self, words: str) -> None:
        with self.assertRaisesRegex(SystemExit, words):
            self.lock()
        self.assertFalse((self.folder / "raspberrypi.lock").exists(), "a lock was written all the same")

    def test_the_lock_holds_the_kernels_parts_and_nothing_that_they_want_beside(self) -> None:
        self.assertIn("+ linux-image-7.0.0-1001-raspi 1.0-1", self.lock())
        rows = locks.read_lock("kernel")
        names = ["linux-image-7.0.0-1001-raspi", "linux-image-raspi", "linux-modules-7.0.0-1001-raspi"]
        self.assertEqual([row["package"] for row in rows], names)
        self.assertEqual({row["archive"] for row in rows}, {"kernel"})
        self.assertEqual((locks.lock_date("kernel"), locks.vendor(rows[0])), ("20261128T025301Z", "Loopback"))
        self.assertNotIn("127.0.0.1", (self.folder / "raspberrypi.lock").read_text(), "the address is the folder's alone")
        self.assertEqual(self.lock().count("\n"), 1, "renewed once more, something is said to have changed")

    def test_the_root_gets_this_kernel_in_place_of_debians(self) -> None:
        debians = locks.image_rows("root")
        self.lock()
        rows = locks.image_rows("root")
        gone = {row["package"] for row in debians} - {row["package"] for row in rows}
        self.assertEqual({name.split("-")[1] for name in gone}, {"base", "binary", "modules"})
        self.assertTrue(all(name.startswith("linux-") for name in gone))
        self.assertEqual(rows[len(debians) - 3 :], locks.read_lock("kernel"))
        self.assertEqual(locks.image_rows("initramfs"), locks.read_lock("initramfs"))

    def test_what_is_locked_is_fetched_and_nothing_else(self) -> None:
        self.lock()
        with mock.patch.object(packages, "image_rows", locks.read_lock), contextlib.redirect_stderr(io.StringIO()):
            packages.fetch(["kernel"])
        for row in locks.read_lock("kernel"):
            self.assertEqual(hashlib.sha256(locks.cached(row).read_bytes()).hexdigest(), row["sha256"])
        lock = self.folder / "raspberrypi.lock"
        lock.write_text(lock.read_text().replace(locks.read_lock("kernel")[0]["sha256"], "0" * 64))
        with (
            mock.patch.object(packages, "image_rows", locks.read_lock),
            contextlib.redirect_stderr(io.StringIO()),
            self.assertRaisesRegex(SystemExit, "does not have linux-image-7.0.0-1001-raspi 1.0-1"),
        ):
            packages.fetch(["kernel"])

    def test_an_archive_that_the_key_did_not_sign_is_refused(self) -> None:
        shutil.copy(self.made / "other/key.gpg", self.folder)
        self.refuses("NO_PUBKEY|not signed|could not be verified|Missing key")
        # Nor does apt's own switch help.
        (self.folder / "archive.sources").write_text(f"{self.sources}Trusted: yes\n")
        self.refuses("NO_PUBKEY|not signed|could not be verified|Missing key")

    def test_the_key_may_stand_in_the_file_itself(self) -> None:
        text = run("gpg", "--homedir", self.made / "gpg", "--armor", "--export").stdout.strip()
        lines = "\n".join(f" {line or '.'}" for line in text.splitlines())
        (self.folder / "archive.sources").write_text(self.sources.replace(" key.gpg", f"\n{lines}"))
        self.lock()
        self.assertEqual(len(locks.read_lock("kernel")), 3)

    def test_a_folder_that_does_not_say_enough_is_refused(self) -> None:
        sources = self.folder / "archive.sources"
        for text, words in (
            (self.sources.replace("Signed-By", "Signed"), "no line Signed-By"),
            (self.sources.replace("key.gpg", "nowhere.gpg"), "nowhere.gpg.* is missing"),
            (self.sources.replace("URIs: ", "URIs: http://backend.example "), "one address"),
            (self.sources.replace("URIs: http", "URIs: file"), "must be http or https"),
            (self.sources.replace("127.0.0.1", "name:password@127.0.0.1"), "without a password"),
        ):
            with self.subTest(words):
                sources.write_text(text)
                self.refuses(words)
        sources.write_text(self.sources)
        (self.folder / "packages.list").write_text("linux-image-none\n")
        self.refuses("linux-image-none")
        (self.folder / "packages.list").write_text("# none\n")
        self.refuses("names no package")
        sources.unlink()
        self.refuses("archive.sources is missing")

    def test_the_script_renews_the_lock_and_wants_one_to_build(self) -> None:
        script = HERE.parent / "scripts/build-image"
        for words, told in (
            (["--kernel", "raspberrypi"], "needs --kernel-folder"),
            (["--kernel", "raspberrypi", "--kernel-folder", self.folder], "raspberrypi.lock: make it with --update-lock"),
            (["--kernel", "other"], "unknown kernel other"),
            (["--kernel-folder", self.folder], "belongs to --kernel raspberrypi"),
            (["--update-lock", "--security", "--kernel", "raspberrypi", "--kernel-folder", self.folder], "renewed as a whole"),
        ):
            with self.subTest(told):
                done = run(script, *words, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(told, done.stderr)
        environment = {**os.environ, "KERNEL": "kernel_2712"}
        run(script, "--update-lock", "--kernel", "raspberrypi", "--kernel-folder", self.folder, env=environment)
        self.assertIn("linux-modules-7.0.0-1001-raspi\t1.0-1\tarm64\t", (self.folder / "raspberrypi.lock").read_text())


class Steps(unittest.TestCase):
    """What the steps make of the packages, and what they refuse."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.work = pathlib.Path(scratch.name)
        self.root = self.work / "root"
        # An older depmod than the builder tree's looks into /lib/modules alone, which is the same here.
        known = shutil.which("depmod")
        if "--moduledir" not in run(known, "--help").stdout:
            program = self.work / "bin/depmod"
            program.parent.mkdir()
            program.write_text(f'#!/bin/sh\nexec {known} "$1" "$2" "$5"\n')
            program.chmod(0o755)
            patch = mock.patch.dict(os.environ, PATH=f"{program.parent}:{os.environ['PATH']}")
            patch.start()
            self.addCleanup(patch.stop)

    def unpack(self, abi: str) -> None:
        """The kernel's packages over a merged /usr, as the step root does it."""
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "usr/lib").mkdir(parents=True)
        (self.root / "lib").symlink_to("usr/lib")
        folder, _ = made()
        for deb in sorted((folder / "archive/pool").glob(f"linux-*-{abi}_*.deb")):
            content = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True).stdout
            subprocess.run(
                ["tar", "-x", "-C", self.root, "--keep-directory-symlink", "--exclude=./usr/share/doc"], input=content, check=True
            )

    def step(self, name: str, *words: str | pathlib.Path) -> tuple[int, str]:
        """(exit status, what was said)."""
        done = run(sys.executable, HERE / "steps" / name, *words, check=False)
        return done.returncode, done.stdout + done.stderr

    def take(self) -> tuple[int, str]:
        return self.step("kernel.py", self.root, self.work, LISTS)

    def select(self, abi: str) -> None:
        """Modules, by this kernel's list."""
        code, said = self.step("modules.py", self.root, abi, self.work / "kernel/modules.list", self.work / "kernel/modules.alias")
        self.assertEqual(code, 0, said)

    def judge(self, abi: str) -> tuple[int, str]:
        """What the gate says of this kernel."""
        modules = self.root / "usr/lib/modules" / abi
        files = [*sorted((self.work / "trees").glob("bcm2712*-rpi-5-b.dtb")), *sorted((self.work / "overlays").glob("*.dtbo"))]
        lists = (LISTS / "required.list", self.work / "kernel/modules.list")
        code, said = self.step("required.py", *lists, self.work / "kernel/config", modules, *files)
        other, more = self.step("board.py", self.work / "kernel/modules.alias", modules, *files[:2])
        return code or other, said + more

    def test_a_kernel_in_either_layout_becomes_a_boot_slot_that_passes(self) -> None:
        for abi in LAYOUTS:
            with self.subTest(abi):
                self.unpack(abi)
                unwanted, optional = (
                    self.root / "usr/lib/modules" / abi / f"kernel/drivers/{name}.ko.xz" for name in ("net/unwanted", "virtio/optional")
                )
                for path in (unwanted, optional):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(lzma.compress(module(["of:N*T*Cother"])))
                code, said = self.take()
                self.assertEqual(code, 0, said)
                self.assertEqual((self.work / "kernel/abi").read_text(), f"{abi}\n")
                self.assertEqual(gzip.decompress((self.work / "kernel/vmlinuz").read_bytes()), IMAGE, "the firmware unpacks it itself")
                trees = {path.name for path in (self.work / "trees").iterdir()}
                self.assertEqual(trees, {"bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb", "bcm2712-rpi-cm5-cm5io.dtb"})
                overlays = {path.name for path in (self.work / "overlays").iterdir()}
                self.assertLessEqual({"imx708.dtbo", "vc4-kms-v3d-pi5.dtbo", "overlay_map.dtb"}, overlays)
                self.select(abi)
                code, said = self.judge(abi)
                self.assertEqual(code, 0, said)
                self.assertEqual((unwanted.exists(), optional.exists()), (False, True))
                left = {str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir() or path.is_symlink()}
                self.assertEqual({path for path in left if not path.startswith(f"usr/lib/modules/{abi}/")}, {"lib"})
                self.assertNotIn(f"usr/lib/modules/{abi}/build", left)

    def test_what_a_board_must_have_and_this_kernel_lacks_is_named(self) -> None:
        abi = "6.18.34+rpt-rpi-2712"
        self.unpack(abi)
        self.take()
        self.select(abi)
        dep = self.root / "usr/lib/modules" / abi / "modules.dep"
        without = "".join(line for line in dep.read_text().splitlines(True) if "/rtc-rpi.ko" not in line and "/imx708.ko" not in line)
        dep.write_text(without)
        (self.work / "overlays/imx477.dtbo").unlink()
        config = self.work / "kernel/config"
        config.write_text(config.read_text().replace("CONFIG_EROFS_FS_ZIP=y\n", ""))
        tree(self.work / "trees/bcm2712d0-rpi-5-b.dtb", '/ { a { compatible = "pwm-fan"; }; };')
        code, said = self.judge(abi)
        self.assertEqual(code, 1)
        for told in (
            "no driver rtc-rpi in the image: battery-backed clock (image/kernels/raspberrypi/required.list)",
            "no driver imx708 in the image",
            "no driver overlay:imx477 in the image: HQ Camera",
            "no driver CONFIG_EROFS_FS_ZIP=y in the image",
            "bcm2712d0-rpi-5-b.dtb names no raspberrypi,rp1-pwm: fan's speed",
            "modules.list: drivers/rtc/rtc-rpi matches no module",
        ):
            self.assertIn(told, said.replace(str(HERE), "image"))
        self.assertNotIn("pwm-fan", said)

    def test_packages_that_make_no_boot_slot_are_refused(self) -> None:
        abi = "7.0.0-1001-raspi"
        self.unpack(abi)
        boards, modules = self.root / LAYOUTS[abi].format(abi), self.root / "usr/lib/modules"
        packed = self.root / "boot" / f"vmlinuz-{abi}"
        camera = boards / "overlays/imx708.dtbo"
        for path, content, told in (
            (packed, None, f"no /boot/vmlinuz-{abi}"),
            (packed, b"#!/bin/sh", "no arm64 image"),
            (packed, packed.read_bytes()[:-4], "cut off"),
            (boards, None, "no device trees"),
            (boards / "broadcom/bcm2712d0-rpi-5-b.dtb", None, "have no bcm2712d0-rpi-5-b.dtb"),
            (boards / "overlays/overlay_map.dtb", None, "have no overlay_map.dtb"),
            (camera, camera.read_bytes()[:-4], "imx708.dtbo is no device tree"),
            (modules / abi / "modules.builtin", None, "no modules.builtin"),
        ):
            with self.subTest(told):
                kept = path.rename(path.with_name("kept"))
                if content is not None:
                    path.write_bytes(content)
                self.assertEqual(self.take()[0], 1)
                self.assertIn(told, self.take()[1])
                kept.rename(path)
        (modules / "1.0-other").mkdir()
        self.assertIn("bring 1.0-other, 7.0.0-1001-raspi", self.take()[1])
        (modules / "1.0-other").rmdir()
        self.assertEqual(self.take()[0], 0, "nothing was changed by what was refused")

    def test_the_papers_name_who_made_the_kernel(self) -> None:
        lock = self.work / "kernel.lock"
        lock.write_text("# resolved 20261128T025301Z\n# from Raspberry Pi Foundation\n" + locks.COLUMNS + "\n")
        code = "import locks, origin; v = locks.vendor({'archive': 'kernel'})"
        code += "; print(v, origin.package_url('linux-image-a', '1+b', 'arm64', v))"
        paths = os.pathsep.join((str(HERE), str(HERE / "steps")))
        said = run(sys.executable, "-c", code, env={**os.environ, "PYTHONPATH": paths, "KERNEL_LOCK": str(lock)}).stdout
        self.assertEqual(said, "Raspberry Pi Foundation pkg:deb/raspberry-pi-foundation/linux-image-a@1%2Bb?arch=arm64\n")

    def test_what_debians_kernel_must_have_this_one_must_have_too(self) -> None:
        rows = [line.split() for line in (HERE / "required.list").read_text().splitlines() if line and line[0] != "#"]
        # Ours, or for a TPM that tpm-header finds.
        own = {"rpi-tryboot", "tpm-header", "tpm_tis_spi", "spi-gpio"}
        text = (LISTS / "required.list").read_text()
        there = {name for line in text.splitlines() if line and line[0] != "#" for name in line.split()[0].split("|")}
        self.assertEqual({row[0] for row in rows} - there, own)


class Kernels(unittest.TestCase):
    """Forms of a kernel, and what the emulated EEPROM starts."""

    def efi(self, packing: str, packed: bytes) -> bytes:
        return b"MZ\0\0zimg" + struct.pack("<II", 64, len(packed)) + bytes(8) + packing.encode().ljust(40, b"\0") + packed + b"rest"

    def test_the_firmware_gets_what_it_can_start(self) -> None:
        packed = gzip.compress(IMAGE)
        squeezed = subprocess.run(["zstd", "-qc"], input=IMAGE, capture_output=True, check=True).stdout
        for content, kept in (
            (IMAGE, IMAGE),
            (packed, packed),
            (self.efi("gzip", packed), packed),
            (self.efi("zstd", squeezed), IMAGE),
        ):
            self.assertEqual(vmlinuz.for_firmware(content), kept)
            self.assertEqual(vmlinuz.started(kept), IMAGE)

    def test_what_it_cannot_start_is_refused(self) -> None:
        for content in (
            b"",
            b"MZ" + bytes(100),
            gzip.compress(b"text"),
            gzip.compress(IMAGE)[:-20],
            self.efi("xzkern", b"x"),
            self.efi("zstd", b"x"),
            self.efi("gzip", IMAGE[:40]),
        ):
            with self.assertRaises(vmlinuz.NotAKernel):
                vmlinuz.for_firmware(content)
        with mock.patch.object(vmlinuz, "MOST_BYTES", 1000), self.assertRaisesRegex(vmlinuz.NotAKernel, "larger"):
            vmlinuz.started(gzip.compress(IMAGE))

    def boot(self, content: bytes) -> bytes:
        """What the emulated EEPROM starts of this boot slot's kernel."""
        bsp = HERE.parent / "meta-attendance/recipes-bsp/raspberrypi5"
        files = {
            "autoboot.txt": (bsp / "boot/autoboot.txt").read_bytes(),
            "config.txt": (bsp / "raspberrypi-kernel/config.txt").read_bytes(),
            "vmlinuz": content,
            "initramfs.zst": gzip.compress(b"not the firmware's to unpack"),
            "cmdline.txt": b"quiet\n",
        }
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(eeprom, "read", lambda image, partition, path: files.get(path)):
            booted = eeprom.boot("disk.img", False, folder)
            self.assertEqual(booted.initramfs.read_bytes(), files["initramfs.zst"])
            return booted.kernel.read_bytes()

    def test_the_emulated_eeprom_unpacks_a_kernel_and_nothing_else(self) -> None:
        self.assertEqual(self.boot(IMAGE), IMAGE)
        self.assertEqual(self.boot(gzip.compress(IMAGE)), IMAGE)
        with self.assertRaisesRegex(eeprom.BootError, "vmlinuz of partition 2: packed by gzip, and cut off"):
            self.boot(gzip.compress(IMAGE)[:-20])

    def test_a_source_is_read_as_apt_reads_it(self) -> None:
        text = "# a comment\nTypes: deb\nURIs: http://backend.example\nSigned-By:\n -----BEGIN\n .\n key\n\nURIs: http://other.example\n"
        found = kernel_archive.stanza(text)
        self.assertEqual(found, {"types": "deb", "uris": "http://backend.example", "signed-by": "-----BEGIN\n\nkey"})


if __name__ == "__main__":
    unittest.main()
