"""Updates in emulation: what image/UPDATES.md promises, with the real bundle, kernel, RAUC and health check.

One card lives through all of it, so each part also starts from whatever the one before left behind.
"""

import contextlib
import pathlib
import subprocess
import time

from . import checks, eeprom
from .machine import BOOT_TIMEOUT, Machine

# Seconds for the health check to come to its verdict, emulated on a busy machine: its own limits add up to ten minutes.
VERDICT_TIMEOUT = 900
# Seconds for one installation; idle it takes about 30.
INSTALL_TIMEOUT = 600

# What an installation of each bundle must say. The clock of the emulated board is right.
REFUSALS = {
    "stranger": "not signed by anybody this appliance trusts",
    "expired": "certificate is over",
    "early": "certificate is not valid yet",
    "toaster": "for another kind of machine",
    "old": "too old",
    "truncated": "damaged or incomplete",
}

# Systems that fail one check each, and what the old system then says of them.
FAULTS = {
    "mute": 'check "service" failed',
    "forgetful": 'check "data partition" failed',
    "blind": 'check "networks" failed',
    "dark": 'check "camera" failed',
    "pageless": 'check "https" failed',
    "restless": 'check "steady" failed',
}
# Systems that do not come up.
DEAD = ["no-cmdline", "panic", "flipped"]


class Failed(Exception):
    """A promise that was not kept."""


def expect(holds, message):
    if not holds:
        raise Failed(message)


class Door:
    """A card with its machine, and the words for what a technician does to it."""

    def __init__(self, image, bundles, backend, on_line=None):
        self.machine = Machine(image, on_line=on_line)
        self.backend = backend
        self.machine.serve(*checks.BACKEND, backend.port)
        eeprom.write(self.machine.card, 1, "attendance.toml", checks.Site(self.machine, 0, backend).settings())
        stick = self.machine.folder / "stick.img"
        size = sum(path.stat().st_size for path in pathlib.Path(bundles).iterdir()) // 2**20 * 21 // 20 + 64
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", bundles, str(stick), f"{size}M"], check=True)
        self.machine.extra_devices += [
            "-drive", f"if=none,id=stick,format=raw,readonly=on,file={stick}", "-device", "virtio-blk-pci,drive=stick", *backend.disk(),
        ]

    def start(self, slot, trial=False):
        """Power on; `slot` must be what starts."""
        self.rows_before = len(self.backend.rows())
        self.machine.power_on()
        started = {2: "A", 3: "B"}[self.machine.boot.partition]
        expect(started == slot, f"slot {started} started instead of {slot}")
        expect(self.machine.boot.tryboot == trial, f"the firmware's flag was {self.machine.boot.tryboot}")

    def up(self):
        """Until commands can be run inside and the arrival of this system is noted."""
        self.machine.wait_for_agent()
        self.machine.run("mkdir -p /run/stick && mount -o ro /dev/vdb /run/stick")
        deadline = time.monotonic() + BOOT_TIMEOUT
        while self.machine.run("systemctl show -P ExecMainExitTimestampMonotonic attendance-health.service") in ("", "0"):
            if "running, committed" not in self.status() or time.monotonic() > deadline:
                return
            time.sleep(3)

    def status(self):
        return self.machine.run("attendance update status 2> /dev/null", timeout=120)

    def install(self, bundle):
        """(exit code, what it said)."""
        return self.machine.run(f"attendance update install /run/stick/{bundle}.raucb 2>&1", timeout=INSTALL_TIMEOUT, check=False)

    def try_it(self):
        """Ask for the trial; returns when the machine has restarted."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.machine.run("attendance update try", timeout=120)
        self.machine.wait_for_restart()

    def update(self, bundle):
        code, said = self.install(bundle)
        expect(code == 0, f"{bundle} was not installed: {said}")
        self.try_it()

    def film(self):
        """Put the demo's film where the settings say that the camera's pictures are."""
        place = "/var/lib/attendance/door.y4m"
        self.machine.run(f"head -c {self.backend.video_bytes} /dev/vdc > {place} && chown attendance: {place}; sync", timeout=120)
        self.machine.run("systemctl restart attendance.service", timeout=300)

    def works(self):
        """Until the system that runs has recognised the person of the film, and no row waits. A day has one IN and one OUT: only the
        first two systems have a row to deliver."""
        journal = "journalctl -b -o cat --no-pager -u attendance"
        try:
            checks.wait_for(lambda: f"Recognised {self.backend.person}" in self.machine.run(journal), "a recognised face", 900)
            checks.wait_for(lambda: len(self.backend.rows()) > min(self.rows_before, 2), "a row at the webhook")
        except AssertionError as error:
            raise Failed(f"{error}\n" + self.machine.run(f"{journal} | tail -40")) from error

    def committed(self, slot):
        """Until the running system has committed itself."""
        deadline = time.monotonic() + VERDICT_TIMEOUT
        while f"Slot {slot}:" not in "".join(line for line in self.status().splitlines(True) if "running, committed" in line):
            if time.monotonic() > deadline:
                log = self.machine.run("journalctl -b -u attendance-health -u attendance --no-pager | tail -40", check=False)[1]
                raise Failed(f"slot {slot} did not commit itself:\n{self.status()}\n{log}")
            time.sleep(5)

    def goes_back_to(self, slot, words):
        """The trial ends by itself, `slot` starts, and there the reason is told in these words."""
        self.machine.wait_for_restart(VERDICT_TIMEOUT)
        self.start(slot)
        self.up()
        status = self.status()
        expect(words in status, f"the rollback is not told ({words!r}):\n{status}")
        expect("waits for its trial" not in status, f"what failed is still to be tried:\n{status}")


def test(image, bundles, backend, everything=False, say=print, on_line=None):
    """Runs the test; `bundles` is what image/steps/test-bundles made. Raises Failed."""
    door = Door(image, bundles, backend, on_line)
    try:
        _run(door, everything, say)
    except Exception:
        say("the console ended with\n" + "\n".join(door.machine.log[-60:]))
        raise
    finally:
        door.machine.close()


def _run(door, everything, say):
    begun = time.monotonic()

    def done(what):
        say(f"{time.monotonic() - begun:5.0f} s  {what}")

    door.start("A")
    door.up()
    expect("Slot A:" in door.status(), door.status())
    door.film()
    door.works()
    done("slot A is up, a row was delivered")

    before = door.status()
    for bundle, words in REFUSALS.items():
        code, said = door.install(bundle)
        expect(code != 0 and words in said, f"{bundle} was not refused with {words!r}: {code} {said}")
        expect(door.status() == before, f"{bundle} was refused and something changed:\n{door.status()}")
    done(f"refused in the right words: {', '.join(REFUSALS)}")

    started = time.monotonic()
    door.update("good")
    installed = time.monotonic() - started
    door.start("B", trial=True)
    door.up()
    door.committed("B")
    committed = time.monotonic() - started
    door.works()
    done(f"A→B: installed and down after {installed:.0f} s, committed after {committed:.0f} s, a row was delivered")

    for bundle, words in FAULTS.items() if everything else [("mute", FAULTS["mute"])]:
        door.update(bundle)
        door.start("A", trial=True)
        door.goes_back_to("B", words)
        done(f"{bundle}: back on B, which says: {words}")

    for bundle in DEAD if everything else DEAD[:1]:
        door.update(bundle)
        door.start("A", trial=True)
        door.goes_back_to("B", "did not come up")
        done(f"{bundle}: back on B, reason told")

    # The power goes while the slot is written; then during the trial; then the update succeeds.
    for wait in (0.5, 2, 5, 10, 20) if everything else (5,):
        door.machine.run("attendance update install /run/stick/good.raucb > /dev/null 2>&1 &")
        time.sleep(wait)
        door.machine.power_cut()
        door.start("B")
        door.up()
        expect("running, committed" in door.status(), door.status())
        done(f"power cut {wait} s into an installation: B starts")

    door.update("good")
    door.start("A", trial=True)
    time.sleep(20)
    door.machine.power_cut()
    door.start("B")
    door.up()
    expect("was taken back" in door.status(), door.status())
    done("power cut in the trial: B starts and says so")

    door.update("good")
    door.start("A", trial=True)
    door.up()
    door.committed("A")
    door.machine.power_cut()
    door.start("A")
    door.up()
    door.works()
    done("B→A: committed, and A again after a power cut; a face was recognised")
