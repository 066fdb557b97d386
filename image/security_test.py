#!/usr/bin/env python3
"""Tests of packages.py, resolver.py, security.py and vulnerabilities.py. Everything on the network is a
server on loopback."""

import contextlib
import functools
import hashlib
import http.server
import io
import os
import pathlib
import tempfile
import threading
import unittest
from collections.abc import Iterator
from unittest import mock

import locks
import packages
import resolver
import security
import vulnerabilities

RELEASE = """-----BEGIN PGP SIGNED MESSAGE-----

Origin: Debian
Label: {label}
Date: {date}
Snapshots: {address}
SHA256:
 0000 12 main/binary-arm64/Packages
"""
ROW = dict(
    zip(
        locks.COLUMNS.split("\t"),
        ("libexample1", "1.0-1", "arm64", "0" * 64, "4", "debian", "pool/main/e/libexample1_1.0-1_arm64.deb"),
        strict=True,
    )
)


def update(package: str = "libexample1", version: str = "1.0-1+deb13u1", **fields: str) -> security.Stanza:
    stanza = {
        "Package": package,
        "Version": version,
        "Architecture": "arm64",
        "SHA256": "1" * 64,
        "Size": "5",
        "Filename": f"pool/updates/main/e/{package}_{version}_arm64.deb",
    }
    return stanza | {name.replace("_", "-"): value for name, value in fields.items()}


@contextlib.contextmanager
def server(folder: pathlib.Path) -> Iterator[tuple[str, list[str]]]:
    """(address, paths asked for) of a file server on loopback."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}", asked
        finally:
            listening.shutdown()


class Network(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        patch = mock.patch.object(locks, "CACHE", self.folder / "cache")
        patch.start()
        self.addCleanup(patch.stop)
        resolver.mirrors.cache_clear()
        self.addCleanup(resolver.mirrors.cache_clear)

    def environment(self, **settings: str) -> None:
        patch = mock.patch.dict(os.environ, settings)
        patch.start()
        self.addCleanup(patch.stop)

    def test_proxy_of_the_hosts_apt_is_used(self) -> None:
        (self.folder / "empty").mkdir()
        with server(self.folder / "empty") as (proxy, asked):
            conf = self.folder / "host.conf"
            conf.write_text(f'Acquire::http::Proxy "{proxy}"; Acquire::Check-Valid-Until "false";')
            self.environment(APT_CONFIG=str(conf), DEBIAN_MIRROR="http://mirror.example/debian", no_proxy="", http_proxy="")
            self.assertNotIn("Check-Valid-Until", resolver.host_network(), "what the host does not check is not taken over")
            with self.assertRaises(SystemExit):
                resolver.Apt("arm64", str(self.folder / "apt"))
        self.assertIn("http://mirror.example/debian/dists/trixie/InRelease", asked)

    def archive(self, stamp: str) -> locks.Row:
        content = b"an old package"
        path = self.folder / "archive/debian" / stamp / "pool/old.deb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return ROW | {"sha256": digest, "size": str(len(content)), "path": "pool/old.deb"}

    def test_dropped_version_comes_from_the_snapshot_archive(self) -> None:
        row = self.archive("20261122T091544Z")
        with server(self.folder) as (address, _):
            text = RELEASE.format(label="Debian", date="-", address=f"{address}/archive/debian/@SNAPSHOTID@/")
            addresses = security.snapshot_addresses([security.release_fields(text)])
            lost = packages.from_snapshots([row], {row["sha256"]: "20261122T091544Z"}, addresses)
        self.assertEqual(lost, [])
        self.assertEqual(locks.cached(row).read_bytes(), b"an old package")

    def test_copy_of_the_next_day_is_asked_second(self) -> None:
        row = self.archive("20261123T091544Z")
        with server(self.folder) as (address, asked):
            self.environment(DEBIAN_SNAPSHOT_MIRROR=f"{address}/archive")
            lost = packages.from_snapshots([row], {row["sha256"]: "20261122T091544Z"}, packages.snapshots())
        self.assertEqual(lost, [])
        days = list(dict.fromkeys(path.split("/")[3] for path in asked))
        self.assertEqual(days, ["20261122T091544Z", "20261123T091544Z"])

    def test_wrong_content_is_refused(self) -> None:
        row = self.archive("20261122T091544Z") | {"sha256": "2" * 64}
        with server(self.folder) as (address, _):
            self.environment(DEBIAN_SNAPSHOT_MIRROR=f"{address}/archive")
            lost = packages.from_snapshots([row], {row["sha256"]: "20261122T091544Z"}, packages.snapshots())
        self.assertEqual(lost, [row])
        self.assertFalse(locks.cached(row).exists())

    def test_archive_without_an_address_is_not_asked(self) -> None:
        self.assertEqual(packages.from_snapshots([ROW], {ROW["sha256"]: "20261122T091544Z"}, {}), [ROW])


class Releases(unittest.TestCase):
    def test_lock_has_the_date_of_the_newest_release(self) -> None:
        dates = ("Sat, 21 Nov 2026 09:15:44 UTC", "Sat, 28 Nov 2026 02:53:01 UTC", "Fri, 30 Oct 2026 08:08:01 UTC")
        found = [security.release_fields(RELEASE.format(label="Debian", date=date, address="")) for date in dates]
        self.assertEqual(security.newest_date(found), "20261128T025301Z")

    def test_each_archive_states_its_own_address(self) -> None:
        texts = [
            RELEASE.format(label=label, date="-", address=f"https://old.example/{label}/@SNAPSHOTID@/")
            for label in ("Debian", "Debian-Security")
        ]
        found = security.snapshot_addresses(map(security.release_fields, texts))
        expected = {
            "debian": "https://old.example/Debian/@SNAPSHOTID@",
            "debian-security": "https://old.example/Debian-Security/@SNAPSHOTID@",
        }
        self.assertEqual(found, expected)

    def test_address_without_a_place_for_the_date_is_not_used(self) -> None:
        text = RELEASE.format(label="Debian", date="-", address="no")
        self.assertEqual(security.snapshot_addresses([security.release_fields(text)]), {})


class SecurityUpdates(unittest.TestCase):
    def test_newest_of_the_newer_versions_waits(self) -> None:
        versions = ("1.0-1~bpo1", "1.0-1+deb13u2", "1.0-1+deb13u1")
        offered = [update(version=version) for version in versions] + [update(package="other")]
        found = security.waiting([ROW], offered)
        self.assertEqual({name: stanza["Version"] for name, stanza in found.items()}, {"libexample1": "1.0-1+deb13u2"})

    def test_version_from_a_newer_suite_is_kept(self) -> None:
        self.assertEqual(security.waiting([ROW | {"version": "2.0-1"}], [update()]), {})

    def take(self, stanza: security.Stanza, before: str = "libc6 (>= 2.34)", left_out: set[str] | None = None) -> list[locks.Row]:
        rows = [ROW, ROW | {"package": "libc6", "version": "2.41-12"}]
        return security.taken(rows, {"libexample1": stanza}, left_out or set(), lambda _: {"Depends": before})

    def test_only_what_waits_is_renewed(self) -> None:
        rows = self.take(update(Depends="libc6 (>= 2.38)"))
        self.assertEqual([row["version"] for row in rows], ["1.0-1+deb13u1", "2.41-12"])
        self.assertEqual((rows[0]["archive"], rows[0]["sha256"], rows[0]["size"]), ("debian-security", "1" * 64, "5"))
        self.assertEqual(rows[0]["path"], "pool/updates/main/e/libexample1_1.0-1%2bdeb13u1_arm64.deb")

    def test_dependency_that_the_lock_has_not_got_is_refused(self) -> None:
        for depends in ("libc6 (>= 2.38), libnew1", "libc6 (>= 2.42)"):
            with self.subTest(depends), self.assertRaisesRegex(SystemExit, "Renew the whole locks"):
                self.take(update(Depends=depends))

    def test_left_out_and_virtual_packages_do_not_refuse(self) -> None:
        self.take(update(Depends="libc6, debconf (>= 0.5) | debconf-2.0"), left_out={"debconf"})
        self.take(update(Depends="libc6, virtual-thing"), before="libc6, virtual-thing")


class Vulnerabilities(unittest.TestCase):
    def told(self, script: str) -> tuple[int, str]:
        """(exit status, what was said) with this program in debsecan's place."""
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "debsecan")
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
            paths = f"{folder}:{os.environ['PATH']}"
            with (
                mock.patch.dict(os.environ, PATH=paths),
                mock.patch.object(vulnerabilities, "control", lambda row: {"Source": "example"}),
                contextlib.redirect_stdout(io.StringIO()) as out,
                contextlib.redirect_stderr(out),
            ):
                try:
                    vulnerabilities.main()
                except SystemExit as end:
                    return end.code, out.getvalue()
        return 0, out.getvalue()

    def test_every_shipped_package_is_asked_for_with_its_source(self) -> None:
        code, said = self.told('cat "$4" | grep -c "^Source: example" | sed "s/^/CVE-2026-1 bash count /"')
        self.assertEqual(code, 0)
        packages_asked = len({row["package"] for name in vulnerabilities.SHIPPED for row in locks.read_lock(name)})
        self.assertIn(f"CVE-2026-1  bash  count {packages_asked}", said)

    def test_what_the_vex_file_answers_is_left_out(self) -> None:
        with mock.patch.object(vulnerabilities, "answered", lambda document: {("CVE-2026-1", "bash")}):
            _, said = self.told("printf 'CVE-2026-1 bash\\nCVE-2026-2 bash (remotely exploitable, high urgency)\\n'")
        self.assertNotIn("CVE-2026-1", said)
        self.assertIn("CVE-2026-2  bash  (remotely exploitable, high urgency)\n1 known vulnerabilities", said)
        document = {
            "statements": [
                {
                    "status": state,
                    "vulnerability": {"name": f"CVE-2026-{number}"},
                    "products": [{"subcomponents": [{"@id": "pkg:deb/debian/bash@5.2?arch=arm64"}]}],
                }
                for number, state in enumerate(("not_affected", "affected", "fixed", "under_investigation"))
            ]
        }
        self.assertEqual(vulnerabilities.answered(document), {("CVE-2026-0", "bash"), ("CVE-2026-2", "bash")})

    def test_a_tracker_that_does_not_answer_is_said(self) -> None:
        code, said = self.told("echo 'error: while downloading' >&2; exit 1")
        self.assertEqual(code, security.UNREACHABLE)
        self.assertIn("SKIPPED: known vulnerabilities: debsecan says: error: while downloading", said)


if __name__ == "__main__":
    unittest.main()
