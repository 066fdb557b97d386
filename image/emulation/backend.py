"""The demo backend (app/crates/backend/examples/demo_site) on this host's loopback, and the demo's video as a
disk for the guest."""

import pathlib
import re
import secrets
import subprocess
import time
import urllib.request


class Backend:
    """A running demo site. `program`: the compiled example; `demo`: the folder that scripts/demo-data
    prints."""

    def __init__(self, program: str, demo: str, folder: str) -> None:
        demo = pathlib.Path(demo)
        self.key = "demo-" + secrets.token_hex(8)
        self.person = (demo / "person").read_text().strip()
        self.video = demo / "door.y4m"
        self.video_bytes = self.video.stat().st_size
        urls = pathlib.Path(folder, "urls")
        self.process = subprocess.Popen([program, "--photos", demo / "students", "--key", self.key, "--urls-file", urls])
        deadline = time.monotonic() + 20
        while not urls.exists() or not urls.read_text().strip():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the demo backend does not start")
            time.sleep(0.1)
        self.urls = dict(re.findall(r"^(\w+)=['\"]?(.*?)['\"]?$", urls.read_text(), re.M))
        self.port = int(re.search(r":(\d+)/", self.urls["photos_url"])[1])

    def photos_url(self, address: str) -> str:
        """The file browser's URL as seen from `address`."""
        return re.sub(r"^http://[^/]*", address, self.urls["photos_url"])

    def webhook_url(self, address: str) -> str:
        """The webhook's URL as seen from `address`."""
        return re.sub(r"^http://[^/]*", address, self.urls["webhook_url"])

    def rows(self) -> list[str]:
        """What the webhook has accepted so far, one CSV row each."""
        with urllib.request.urlopen(self.urls["rows_url"], timeout=5) as answer:
            return answer.read().decode().splitlines()

    def disk(self) -> list[str]:
        """QEMU's options for the video as a read-only second disk, padded to whole sectors by QEMU's raw
        driver."""
        return ["-drive", f"if=none,id=video,format=raw,readonly=on,file={self.video}", "-device", "virtio-blk-pci,drive=video"]

    def close(self) -> None:
        """Ends the site."""
        self.process.terminate()
        self.process.wait()
