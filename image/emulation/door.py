"""A card with its machine, and what a technician, or a power failure, does to it."""

import contextlib
import datetime
import json
import pathlib
import re
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from . import checks, eeprom
from .agent import CommandFailed
from .backend import Backend
from .machine import BOOT_TIMEOUT, Machine, OnLine, StrPath
from .page import Page

# Seconds for the health check to come to its verdict, emulated on a busy machine: its own limits add up to
# ten minutes.
VERDICT_TIMEOUT = 900
# Seconds for one installation; idle it takes about 30.
INSTALL_TIMEOUT = 600

OTHER = {"A": "B", "B": "A"}


class Failed(Exception):
    """A check failed."""


def expect(holds: object, message: str) -> None:
    if not holds:
        raise Failed(message)


class Door:
    """`bundles`: the folder that image/steps/test-bundles made, of which those `plugged` (names) are plugged
    in as a disk. `card`: files {name: content} for the first partition; without, settings for the demo
    backend. `slot` is the one that must start: the last that committed itself."""

    def __init__(
        self,
        image: str,
        bundles: StrPath,
        backend: Backend,
        plugged: Iterable[str],
        on_line: OnLine = None,
        card: dict[str, bytes] | None = None,
    ) -> None:
        self.machine = Machine(image, on_line=on_line)
        self.bundles, self.backend, self.slot = pathlib.Path(bundles), backend, "A"
        # Days ahead of this machine's clock: each new system has a day of its own, because a student has one
        # IN and one OUT a day.
        self.day = 0
        # Seconds from the start of an update to its commit, as the last one that was timed took.
        self.span = None
        # The trial whose end was noted last, before the update that is under way.
        self.last_trial = None
        self.began = self._now()
        self.page_port = checks.free_port()
        self.machine.forward(self.page_port, 443)
        self.machine.serve(*checks.BACKEND, backend.port)
        settings = checks.Site(self.machine, self.page_port, backend).settings()
        for name, content in (card or {"attendance.toml": settings}).items():
            eeprom.write(self.machine.card, 1, name, content)
        self.machine.extra_devices += [
            "-drive",
            f"if=none,id=bundles,format=raw,readonly=on,file={self._disk(plugged)}",
            "-device",
            "virtio-blk-pci,drive=bundles",
            *backend.disk(),
        ]

    def _disk(self, names: Iterable[str]) -> pathlib.Path:
        """A disk that holds these bundles and no others: each is as large as the image."""
        paths = [self.bundles / f"{name}.raucb" for name in names]
        disk = self.machine.folder / "bundles.img"
        size = sum(path.stat().st_size for path in paths) // 2**20 * 21 // 20 + 64
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", str(disk), f"{size}M"], check=True)
        for path in paths:
            written = subprocess.run(
                ["debugfs", "-w", "-R", f"write {path} {path.name}", str(disk)], check=True, capture_output=True, text=True
            )
            # Its exit code does not tell: what it has to say besides the inode is what went wrong.
            told = [
                line for line in written.stderr.splitlines()[1:] + written.stdout.splitlines() if not line.startswith("Allocated inode:")
            ]
            expect(not told, f"{path} was not written to the disk of bundles: {told}")
        return disk

    # ── Starts

    def start(self, trial: bool = False, devices: Iterable[str] = ()) -> None:
        """Power on; the committed slot must be what starts, or the other one for a trial. `devices`: QEMU's
        words for more hardware."""
        if trial:
            self.day += 1
            self.began = self._now()
        self.machine.rtc = f"base={self._now():%Y-%m-%dT%H:%M:%S}"
        always = self.machine.extra_devices
        self.machine.extra_devices = [*always, *devices]
        self.machine.power_on()
        self.machine.extra_devices = always
        started, right = {2: "A", 3: "B"}[self.machine.boot.partition], OTHER[self.slot] if trial else self.slot
        expect(started == right, f"slot {started} started instead of {right}")
        expect(self.machine.boot.tryboot == trial, f"the firmware's flag was {self.machine.boot.tryboot}")

    def _now(self) -> datetime.datetime:
        """The door's time, UTC."""
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=self.day)

    def up(self) -> None:
        """Until commands can be run inside and the arrival of this system is noted; on trial, until it is
        examined."""
        self.machine.wait_for_agent()
        self.machine.run("mkdir -p /run/bundles && mount -o ro /dev/vdb /run/bundles")
        deadline = time.monotonic() + BOOT_TIMEOUT
        while self.machine.run("systemctl show -P ExecMainExitTimestampMonotonic attendance-health.service") in ("", "0"):
            if "running, committed" not in self.status():
                return
            expect(time.monotonic() < deadline, "the arrival of this system was not noted:\n" + self.status())
            time.sleep(3)

    def whole(self) -> None:
        """Up, and the service runs."""
        self.up()
        self.serves()

    def serves(self) -> None:
        """The system that is up is committed, and its service runs."""
        expect("running, committed" in self.status(), self.status())
        checks.wait_for(lambda: self.machine.run("systemctl is-active attendance.service", check=False)[1] == "active", "the service")

    def status(self) -> str:
        return self.machine.run("attendance update status 2> /dev/null", timeout=120)

    # ── Updates

    def install(self, bundle: str) -> tuple[int, str]:
        """(exit code, what it said)."""
        return self.machine.run(f"attendance update install /run/bundles/{bundle}.raucb 2>&1", timeout=INSTALL_TIMEOUT, check=False)

    def update(self, bundle: str) -> None:
        """Install, and ask for the trial; returns when the machine has restarted."""
        self.last_trial = self.trial_noted()
        code, said = self.install(bundle)
        expect(code == 0, f"{bundle} was not installed: {said}")
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.machine.run("attendance update try", timeout=120)
        self.machine.wait_for_restart()

    def update_by_page(self, bundle: str, damaged: str) -> None:
        """The same in the technician's browser: `damaged` is refused, `bundle` uploaded, "Restart into it"
        pressed."""
        password = checks.wait_for(
            lambda: re.search(r"Password: +(\S+)", "\n".join(self.machine.log)), "the first password on the console"
        )[1]
        page = Page(self.page_port, password)
        for name, words in {damaged: "damaged", bundle: None}.items():
            before = self.attempt()
            page.upload(self.bundles / f"{name}.raucb")
            refused = self.attempt_after(before)["refused"]
            expect(words in refused if words else refused is None, f"{name} by the page: {refused}")
        page.press("/update/try")
        self.machine.wait_for_restart()

    def attempt(self) -> dict[str, Any] | None:
        """What the appliance noted of the last update that came in."""
        code, text = self.machine.run("cat /var/lib/attendance/update/attempt.json 2> /dev/null", check=False)
        return json.loads(text) if code == 0 and text else None

    def attempt_after(self, before: dict[str, Any] | None) -> dict[str, Any]:
        """The next attempt that is noted."""
        return checks.wait_for(lambda: (now := self.attempt()) != before and now, "the note of an update that came in", INSTALL_TIMEOUT)

    def committed(self) -> None:
        """Until the system on trial has committed itself."""
        self.slot = OTHER[self.slot]
        deadline = time.monotonic() + VERDICT_TIMEOUT
        while f"Slot {self.slot}:" not in "".join(
            line for line in self._status_or_verdict().splitlines(True) if "running, committed" in line
        ):
            if time.monotonic() > deadline:
                log = self.machine.run("journalctl -b -u attendance-health -u attendance --no-pager | tail -40", check=False)[1]
                raise Failed(f"slot {self.slot} did not commit itself:\n{self.status()}\n{log}")
            time.sleep(5)

    def _status_or_verdict(self) -> str:
        try:
            return self.status()
        except (CommandFailed, OSError) as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.machine.wait_for_restart(120)
                raise Failed(f"slot {self.slot} did not commit itself and went back; noted on the card:\n{self._history()}") from error
            raise

    def _history(self) -> str:
        """How updates ended, read from the data partition of a machine that is off."""
        offset, _ = eeprom.partitions(self.machine.card)[6]
        read = ["debugfs", "-R", "cat /update/history.json", f"{self.machine.card}?offset={offset}"]
        return subprocess.run(read, capture_output=True, text=True, check=False).stdout

    def goes_back(self, words: str) -> None:
        """The trial ends automatically, the old slot starts, and there the reason is told in these words."""
        self.machine.wait_for_restart(VERDICT_TIMEOUT)
        self.start()
        self.up()
        status = self.status()
        expect(self.trial_noted() != self.last_trial, f"the end of this trial is not noted:\n{status}")
        expect(words in status, f"the rollback is not told ({words!r}):\n{status}")
        expect("waits for its trial" not in status, f"what failed is still to be tried:\n{status}")

    def trial_noted(self) -> int | None:
        """The number of the trial whose end was noted last; None before the first."""
        code, text = self.machine.run("cat /data/update/history.json 2> /dev/null", check=False)
        return json.loads(text)["outcomes"][-1]["trial"] if code == 0 else None

    def cut(self, bundle: str, seconds: float) -> str:
        """The power goes so long after an update has begun, wherever that is by then: a whole system starts,
        which knows how the trial ended if there was one. Says where it was."""
        self.last_trial = self.trial_noted()
        self.machine.run(f"attendance update install --restart /run/bundles/{bundle}.raucb > /dev/null 2>&1 &")
        end = time.monotonic() + seconds
        where = "the installation"
        while (left := end - time.monotonic()) > 0:
            try:
                self.machine.wait_for_restart(left)
            except subprocess.TimeoutExpired:
                break
            where = "the trial"
            self.start(trial=True)
        self.machine.power_cut()
        if eeprom.committed(self.machine.card) != self.slot:
            expect(where == "the trial", "committed without a trial")
            where, self.slot = "the commit's other side", OTHER[self.slot]
        self.start()
        self.whole()
        told = self.trial_noted() != self.last_trial and "was rolled back" in self.status()
        expect(where != "the trial" or told, f"the cut trial is not told:\n{self.status()}")
        return f"{where}: {self.slot} starts"

    # ── What the door is for

    def film(self) -> None:
        """Put the demo's film where the settings say that the camera's pictures are."""
        place = "/var/lib/attendance/door.y4m"
        self.machine.run(f"head -c {self.backend.video_bytes} /dev/vdc > {place} && chown attendance: {place}; sync", timeout=120)
        self.machine.run("systemctl restart attendance.service", timeout=300)

    def works(self) -> None:
        """Until the system that runs has recognised the person of the film and delivered a row of its own
        day."""
        journal = "journalctl -b -o cat --no-pager -u attendance"
        try:
            checks.wait_for(lambda: f"Recognised {self.backend.person}" in self.machine.run(journal), "a recognised face", 900)
            today = [f"{self.began:%Y-%m-%d}", f"{self._now():%Y-%m-%d}"]
            checks.wait_for(lambda: any(day in row for row in self.backend.rows() for day in today), f"a row of {today[0]} at the webhook")
        except AssertionError as error:
            raise Failed(f"{error}\n" + self.machine.run(f"{journal} | tail -40")) from error
