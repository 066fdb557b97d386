"""Updates in emulation: what image/UPDATES.md promises, with the real bundle, kernel, RAUC and health check.

One card lives through all of it, so each part also starts from whatever the one before left behind. A second
one takes part in a rollout and gets its updates on sticks.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Collection, Iterator

from . import checks, eeprom, hawkbit, stick
from .backend import Backend
from .door import Door, Failed, expect
from .machine import Machine, OnLine, StrPath

# Told what has been done, when it has.
Done = Callable[[str], None]

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
    "blind": 'check "models" failed',
    "dark": 'check "camera" failed',
    "deaf": 'check "network" failed',
    "pageless": 'check "https" failed',
    "restless": 'check "steady" failed',
    "stuck": 'check "deadline" failed',
}

# Systems that do not come up, and the hardware that notices, where it is not the initramfs or the kernel.
# QEMU's watchdog is left out elsewhere: on a busy host it would restart a machine that got no time.
DEAD = {"no-cmdline": [], "panic": [], "flipped": [], "hang": ["-device", "i6300esb"]}

# "unsigned" needs an image with signed boot, and a board with its key.
BROKEN = [*FAULTS, *DEAD, "unsigned"]

# What needs the film: a camera that shows somebody before the update, or a row after it.
SEEING = {"ways", "dark", "again", "corrupted"}
# A test of corruption leaves a corrupted slot until the next update.
PARTS = ["ways", *BROKEN, "cuts", "corrupted-late", "again", "corrupted", "fleet"]


def test(
    image: str,
    bundles: StrPath,
    backend: Backend,
    everything: bool = False,
    only: Collection[str] = (),
    say: Callable[[str], None] = print,
    on_line: OnLine = None,
) -> None:
    """Runs the test, or the parts `only` (of PARTS) of all of it on a card of their own; `bundles` is what
    image/steps/test-bundles made. Raises Failed."""
    begun = time.monotonic()

    def done(what: str) -> None:
        say(f"{time.monotonic() - begun:5.0f} s  {what}")

    wanted = set(PARTS if everything else ["ways", "mute", "no-cmdline", "unsigned", "cuts", "again"])
    if not Machine.customer_key:
        wanted.discard("unsigned")
    parts = [part for part in PARTS if part in (only or wanted)]
    cuts, rounds = (20, 2) if everything or only else (3, 1)
    alone = [part for part in parts if part != "fleet"]
    plugged = ["good", *(REFUSALS if "ways" in parts else []), *(part for part in parts if part in BROKEN)]
    if alone:
        with _told(Door(image, bundles, backend, plugged, on_line), say) as door:
            if "ways" not in parts:
                _settled(door, done, film=not SEEING.isdisjoint(parts))
            for before, part in zip([None, *alone], alone, strict=False):
                if part.startswith("corrupted") and before in BROKEN:
                    # What is broken is whole, too, to the initramfs.
                    to_the_other(door)
                _part(door, part, cuts, rounds, done)
    if "fleet" in parts:
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder, contextlib.closing(hawkbit.Server(folder, bundles)) as server:
            card = {"attendance.toml": server.settings(), "ca.pem": server.ca}
            with _told(Door(image, bundles, backend, [], on_line, card), say) as door:
                _rollout_and_sticks(door, server, done)


def _part(door: Door, part: str, cuts: int, rounds: int, done: Done) -> None:
    if part in FAULTS:
        fault(door, part, done)
    elif part in DEAD:
        _dead(door, part, done)
    elif part == "cuts":
        _cuts(door, cuts, done)
    elif part == "again":
        for _ in range(rounds):
            _back_again(door, done)
    else:
        {"ways": _one_update, "unsigned": _unsigned, "corrupted": _corrupted, "corrupted-late": _corrupted_late}[part](door, done)


@contextlib.contextmanager
def _told(door: Door, say: Callable[[str], None]) -> Iterator[Door]:
    """The door, thrown away afterwards; what its console said last if something goes wrong."""
    try:
        yield door
    except Exception:
        say("the console ended with\n" + "\n".join(door.machine.log[-60:]))
        raise
    finally:
        door.machine.close()


def _settled(door: Door, done: Done, film: bool) -> None:
    """A fresh card that has been updated once, as after `_one_update`: both slots hold a system that proved
    healthy."""
    door.start()
    door.whole()
    if film:
        door.film()
    door.span = to_the_other(door)[1]
    done(f"slot {door.slot} is committed, after {door.span:.0f} s")


def to_the_other(door: Door) -> tuple[float, float]:
    """A good update by the console: seconds until the machine was down, and until the commit."""
    started = time.monotonic()
    door.update("good")
    installed = time.monotonic() - started
    door.start(trial=True)
    door.up()
    door.committed()
    return installed, time.monotonic() - started


def _one_update(door: Door, done: Done) -> None:
    """From a fresh card to slot B by the page, with what is refused before."""
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
    door.span = time.monotonic() - started
    door.works()
    done(f"A→B by the page: uploaded, installed and down after {installed:.0f} s, committed after {door.span:.0f} s, a row was delivered")


def fault(door: Door, bundle: str, done: Done) -> None:
    door.update(bundle)
    door.start(trial=True)
    door.goes_back(FAULTS[bundle])
    done(f"{bundle}: back on {door.slot}, which says: {FAULTS[bundle]}")


def _dead(door: Door, bundle: str, done: Done) -> None:
    door.update(bundle)
    door.start(trial=True, devices=DEAD[bundle])
    door.goes_back("did not come up")
    done(f"{bundle}: back on {door.slot}, reason told")


def _unsigned(door: Door, done: Done) -> None:
    """The firmware refuses a boot.img that was changed after it was signed; a power cycle leads back."""
    door.update("unsigned")
    try:
        door.start(trial=True)
    except eeprom.BootError as refused:
        door.goes_back("did not come up")
        done(f"unsigned: the firmware refused it ({refused}), back on {door.slot}, reason told")
    else:
        raise Failed("the firmware started a boot.img that was changed after it was signed")


def _cuts(door: Door, cuts: int, done: Done) -> None:
    """The power goes at as many moments, spread from the start of an installation to the commit."""
    for number in range(cuts):
        seconds = door.span * (number + 0.5) / cuts
        done(f"power cut {seconds:.1f} s after the update began, in {door.cut('good', seconds)}")


def _back_again(door: Door, done: Done) -> None:
    """One more update, into the other slot; it stays after a power cut, and works."""
    installed, span = to_the_other(door)
    door.machine.power_cut()
    door.start()
    door.up()
    door.works()
    done(f"to {door.slot}: down after {installed:.0f} s, committed after {span:.0f} s, there again after a power cut; a row was delivered")


def head_corrupted(door: Door) -> None:
    """The committed root is corrupted where a start reads at once: the initramfs asks for the other slot,
    which is examined and commits itself."""
    door.machine.power_cut()
    eeprom.flip_bit(door.machine.card, _root(door))
    door.start()
    door.machine.wait_for_console("initramfs: FAILED: cannot mount")
    _other_commits_itself(door)


def _corrupted(door: Door, done: Done) -> None:
    head_corrupted(door)
    door.works()
    done(f"the committed root's head was corrupted: {door.slot} started automatically, committed itself, and works")


def _corrupted_late(door: Door, done: Done) -> None:
    """The same far behind what a start reads at once: three failed starts lead to it, unless
    nothing is corrupted."""
    door.machine.power_cut()
    _starts_cut_short(door)
    door.start()
    door.machine.wait_for_console("initramfs: the last 3 starts did not get the service up")
    door.whole()
    counted = "/data/update/unfinished-starts"
    checks.wait_for(lambda: door.machine.run(f"ls {counted}", check=False)[0], "the service to take the count away")
    done("three starts that lost their power: the next one reads the whole root, finds nothing, and starts as always")
    door.machine.power_cut()
    eeprom.flip_bit(door.machine.card, _root(door), 60 << 20)
    _starts_cut_short(door)
    door.start()
    door.machine.wait_for_console("initramfs: FAILED: parts of .* cannot be read any more")
    _other_commits_itself(door)
    door.serves()
    done(f"the committed root was corrupted where no start looks: after three failed starts {door.slot} started and committed itself")


def _root(door: Door) -> int:
    return {"A": 4, "B": 5}[door.slot]


def _starts_cut_short(door: Door) -> None:
    for _ in range(3):
        door.start()
        door.machine.wait_for_agent()
        door.machine.power_cut()


def _other_commits_itself(door: Door) -> None:
    door.machine.wait_for_restart()
    door.start(trial=True)
    door.up()
    door.committed()


def _rollout_and_sticks(door: Door, server: hawkbit.Server, done: Done) -> None:
    door.machine.serve(*hawkbit.ADDRESS, server.port)
    stick.prepare(door.machine)
    door.start()
    door.up()
    fetched, size = hawkbit.check(door, server)
    done(f"a rollout: what fails its trial is told as failed, what passes as success; {fetched:,} of {size:,} bytes fetched")
    stick.check(door)
    done("sticks: refused, pulled in the middle, installed and committed")
