"""A fleet's server, as a door sees it: hawkBit's DDI API over TLS, with one action at a time; bundles with
ranges, as RAUC wants them.

`Server(folder, bundles)` listens on 127.0.0.1; `server.settings()` is the door's attendance.toml, `server.ca`
its authority for ca.pem on the card. The machine reaches it by `machine.serve(*ADDRESS, server.port)`.
"""

import http.server
import json
import pathlib
import re
import ssl
import subprocess
import threading
import time

from .door import Door, expect
from .eeprom import StrPath

# The server as the guest sees it.
ADDRESS = ("10.0.2.101", 8443)
TOKEN = "emulated-token"
TARGET = "emulated-door"


class Server:
    """`deploy` opens an action; `told` is what the door said about it."""

    def __init__(self, folder: StrPath, bundles: StrPath) -> None:
        self.folder, self.bundles = pathlib.Path(folder), pathlib.Path(bundles)
        self.action, self.bundle, self.sleep = 0, None, "00:00:30"
        self.told, self.attributes, self.fetched = [], {}, 0
        self._certificate()
        handler = type("Handler", (Handler,), {"site": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _certificate(self) -> None:
        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)

        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        openssl(
            "req",
            "-x509",
            *key,
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=emulated fleet",
            "-days",
            "3650",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign",
        )
        openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=fleet")
        (self.folder / "server.ext").write_text(f"subjectAltName=IP:{ADDRESS[0]}\nextendedKeyUsage=serverAuth\n")
        openssl(
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-days",
            "3000",
            "-extfile",
            "server.ext",
            "-out",
            "server.pem",
        )
        self.ca = (self.folder / "ca.pem").read_bytes()

    def settings(self) -> bytes:
        """The door's attendance.toml. All day is night here, and nobody need be away for long."""
        return (
            '[site]\nname = "fleet test"\nclock = "system"\n[tls]\nca_file = "/etc/attendance/ca.pem"\n'
            '[update]\nwindow = "00:00-23:59"\nquiet = "0s"\n'
            f'[fleet]\nurl = "https://{ADDRESS[0]}:{ADDRESS[1]}"\ntarget = "{TARGET}"\ntarget_token = "{TOKEN}"\n'
        ).encode()

    def deploy(self, bundle: str) -> None:
        """Ask the door for `bundle`.raucb."""
        self.action, self.bundle, self.told, self.fetched = self.action + 1, bundle, [], 0

    def closed(self, seconds: float) -> tuple[str, str]:
        """The feedback that closed the action: (finished, what was said)."""
        deadline = time.monotonic() + seconds
        while not (ends := [entry for entry in self.told if entry[0] == "closed"]):
            if time.monotonic() > deadline:
                raise AssertionError(f"the action was not closed; told so far: {self.told}")
            time.sleep(2)
        return ends[0][1:]

    def close(self) -> None:
        self.server.shutdown()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    base = f"/DEFAULT/controller/v1/{TARGET}"

    def log_message(self, *_: object) -> None:
        pass

    def handle_one(self) -> None:
        path = self.path.split("?")[0]
        if self.headers.get("Authorization") != f"TargetToken {TOKEN}":
            return self.reply(401, {})
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        site, href = self.site, lambda rest: {"href": f"https://{ADDRESS[0]}:{ADDRESS[1]}{self.base}/{rest}"}
        if path == self.base:
            links = {} if site.attributes else {"configData": href("configData")}
            if site.bundle:
                links["deploymentBase"] = href(f"deploymentBase/{site.action}")
            return self.reply(200, {"config": {"polling": {"sleep": site.sleep}}, "_links": links})
        if path == f"{self.base}/configData":
            site.attributes = body["data"]
            return self.reply(200, {})
        if path == f"{self.base}/deploymentBase/{site.action}/feedback":
            if not site.bundle:
                return self.reply(410, {})
            status = body["status"]
            site.told.append((status["execution"], status["result"]["finished"], status["details"][0]))
            if status["execution"] == "closed":
                site.bundle = None
            return self.reply(200, {})
        if path == f"{self.base}/deploymentBase/{site.action}":
            artifact = {"filename": "door.raucb", "_links": {"download": href(f"softwaremodules/1/artifacts/{site.bundle}.raucb")}}
            return self.reply(
                200,
                {"id": str(site.action), "deployment": {"download": "forced", "update": "forced", "chunks": [{"artifacts": [artifact]}]}},
            )
        if found := re.fullmatch(rf"{self.base}/softwaremodules/1/artifacts/([\w-]+\.raucb)", path):
            return self.file(site.bundles / found[1])
        return self.reply(404, {})

    do_GET = do_POST = do_PUT = do_HEAD = handle_one

    def file(self, path: pathlib.Path) -> None:
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2] or size - 1), size - 1)) if asked else (0, size - 1)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if self.command != "HEAD":
            with open(path, "rb") as bundle:
                bundle.seek(first)
                left = last - first + 1
                while left > 0 and (piece := bundle.read(min(left, 1 << 16))):
                    self.wfile.write(piece)
                    self.site.fetched += len(piece)
                    left -= len(piece)

    def reply(self, status: int, value: object) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/hal+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def check(door: Door, server: Server, newer: str = "newer", ailing: str = "newer-mute", seconds: float = 2400) -> tuple[int, int]:
    """A door (updates.Door that runs, with the server's settings and ca.pem on its card) in a rollout: what
    fails its trial is told as failed, with the check; what passes as success, and only after the commit.
    Bytes fetched of the good bundle, and its size."""
    server.deploy(ailing)
    door.machine.wait_for_restart(seconds)
    expect(not [entry for entry in server.told if entry[0] == "closed"], f"closed before the trial: {server.told}")
    door.start(trial=True)
    door.goes_back('check "service" failed')
    finished, detail = server.closed(seconds)
    expect(finished == "failure" and "service" in detail, f"told of a rollback: {finished} {detail}")
    door.machine.run("attendance update acknowledge")
    server.deploy(newer)
    door.machine.wait_for_restart(seconds)
    door.start(trial=True)
    door.up()
    door.committed()
    finished, detail = server.closed(seconds)
    expect(finished == "success", f"told of a commit: {finished} {detail}")
    return server.fetched, (server.bundles / f"{newer}.raucb").stat().st_size
