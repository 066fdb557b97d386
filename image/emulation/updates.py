"""Updates in emulation: what image/UPDATES.md promises, with the real bundle, kernel, RAUC and health check.

One card lives through all of it, so each part also starts from whatever the one before left behind. A second one takes part in a
rollout and gets its updates on sticks.
"""

import contextlib
import tempfile
import time

from . import eeprom, hawkbit, stick
from .door import Door, expect

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
    "deaf": 'check "network" failed',
    "pageless": 'check "https" failed',
    "restless": 'check "steady" failed',
    "stuck": 'check "deadline" failed',
}

# Systems that do not come up, and the hardware that notices, where it is not the initramfs or the kernel. QEMU's watchdog is left out
# elsewhere: on a busy host it would bite a machine that got no time.
DEAD = {"no-cmdline": [], "panic": [], "flipped": [], "hang": ["-device", "i6300esb"]}


def test(image, bundles, backend, everything=False, say=print, on_line=None):
    """Runs the test; `bundles` is what image/steps/test-bundles made. Raises Failed."""
    begun = time.monotonic()

    def done(what):
        say(f"{time.monotonic() - begun:5.0f} s  {what}")

    faults, dead = (list(FAULTS), list(DEAD)) if everything else (["mute"], ["no-cmdline"])
    with _told(Door(image, bundles, backend, ["good", *REFUSALS, *faults, *dead], on_line), say) as door:
        span = _one_update(door, done)
        for bundle in faults:
            _fault(door, bundle, done)
        for bundle in dead:
            _dead(door, bundle, done)
        cuts = 20 if everything else 3
        for number in range(cuts):
            seconds = span * (number + 0.5) / cuts
            done(f"power cut {seconds:.1f} s after the update began, in {door.cut('good', seconds)}")
        for _ in range(2 if everything else 1):
            _back_again(door, done)
        if everything:
            _rotten(door, done)
    if everything:
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder, contextlib.closing(hawkbit.Server(folder, bundles)) as server:
            card = {"attendance.toml": server.settings(), "ca.pem": server.ca}
            with _told(Door(image, bundles, backend, [], on_line, card), say) as door:
                _rollout_and_sticks(door, server, done)


@contextlib.contextmanager
def _told(door, say):
    """The door, thrown away afterwards; what its console said last if something goes wrong."""
    try:
        yield door
    except Exception:
        say("the console ended with\n" + "\n".join(door.machine.log[-60:]))
        raise
    finally:
        door.machine.close()


def _one_update(door, done):
    """From a fresh card to slot B; the seconds from the start of an installation to the commit."""
    door.start()
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
    door.update_by_page("good", damaged="truncated")
    installed = time.monotonic() - started
    door.start(trial=True)
    door.up()
    door.committed()
    span = time.monotonic() - started
    door.works()
    done(f"A→B by the page: uploaded, installed and down after {installed:.0f} s, committed after {span:.0f} s, a row was delivered")
    return span


def _fault(door, bundle, done):
    door.update(bundle)
    door.start(trial=True)
    door.goes_back(FAULTS[bundle])
    done(f"{bundle}: back on {door.slot}, which says: {FAULTS[bundle]}")


def _dead(door, bundle, done):
    door.update(bundle)
    door.start(trial=True, devices=DEAD[bundle])
    door.goes_back("did not come up")
    done(f"{bundle}: back on {door.slot}, reason told")


def _back_again(door, done):
    """One more update, into the other slot; it stays after a power cut, and works."""
    started = time.monotonic()
    door.update("good")
    installed = time.monotonic() - started
    door.start(trial=True)
    door.up()
    door.committed()
    span = time.monotonic() - started
    door.machine.power_cut()
    door.start()
    door.up()
    door.works()
    done(f"to {door.slot}: down after {installed:.0f} s, committed after {span:.0f} s, there again after a power cut; a row was delivered")


def _rotten(door, done):
    """The committed root rots on the card: the initramfs asks for the other slot, which is examined and commits itself."""
    door.machine.power_cut()
    eeprom.flip_bit(door.machine.card, {"A": 4, "B": 5}[door.slot])
    door.start()
    door.machine.wait_for_console("initramfs: FAILED: cannot mount")
    door.machine.wait_for_restart()
    door.start(trial=True)
    door.up()
    door.committed()
    door.works()
    done(f"the committed root rotted: {door.slot} started by itself, committed itself, and works")


def _rollout_and_sticks(door, server, done):
    door.machine.serve(*hawkbit.ADDRESS, server.port)
    stick.prepare(door.machine)
    door.start()
    door.up()
    fetched, size = hawkbit.check(door, server)
    done(f"a rollout: what fails its trial is told as failed, what passes as success; {fetched:,} of {size:,} bytes fetched")
    stick.check(door)
    done("sticks: refused, pulled in the middle, installed and committed")
