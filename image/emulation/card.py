"""What `scripts/boot-image --test-card-key` shows: a card with a key from a TPM, a plain card that moves over
while the power goes, a card with a key from the network (a real tang behind an address of the emulated
network), updates of an encrypted card, and what its encryption costs.

Read raw, as a thief would: nothing of what the device knows is found on the encrypted partition.
"""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterator

from . import eeprom, updates
from .checks import Site, wait_for
from .door import Door
from .machine import BOOT_TIMEOUT, Machine
from .tpm import Tpm

TPM = b'\n[card]\nkey = "tpm"\n'
# What a thief looks for.
ROLL = b"2110001"
SECRET = b"a-webhook-key-that-nobody-should-find"
TANG = "10.0.2.101"
STAYS = r"initramfs: Nothing on the card was changed, and nothing is lost"
# Of a card whose encryption takes long enough to say how far it is.
LARGE = 4 << 30


class Tang:
    """A tang server: started by QEMU for each connection of the guest."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        subprocess.run(["/usr/libexec/tangd-keygen", self.folder], check=True, capture_output=True)

    def settings(self) -> bytes:
        """`[card]` for this server."""
        (thumbprint,) = thumbprints(self.folder)
        return f'\n[card]\nkey = "network"\ntang = "http://{TANG}"\nthumbprint = "{thumbprint}"\n'.encode()

    def service(self) -> str:
        """QEMU's option."""
        self.answer(True)
        return f"guestfwd=tcp:{TANG}:80-cmd:{self._start()}"

    def answer(self, there: bool) -> None:
        """Whether it answers. What tangd logs would go to the guest."""
        command = f"exec /usr/libexec/tangd {self.folder} 2> /dev/null" if there else "exit 1"
        self._start().write_text(f"#!/bin/sh\n{command}\n")
        self._start().chmod(0o755)

    def other_keys(self) -> None:
        """Another server at the same address: tangd makes keys where there are none."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def _start(self) -> pathlib.Path:
        return self.folder.with_name(f"{self.folder.name}.sh")


def thumbprints(folder: pathlib.Path) -> Iterator[str]:
    """Of the signing keys of a tang server."""
    for file in folder.glob("*.jwk"):
        if "verify" in json.loads(file.read_text()).get("key_ops", []):
            command = ["jose", "jwk", "thp", "-a", "S256", "-i", file]
            yield subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def found_raw(machine: Machine, needles: tuple[bytes, ...] = (ROLL, SECRET)) -> list[bytes]:
    """Which of these the raw data partition contains."""
    start, length = eeprom.partitions(machine.card)[6]
    found = set()
    with open(machine.card, "rb") as card:
        card.seek(start)
        left, tail = length, b""
        while left > 0 and (piece := card.read(min(left, 16 << 20))):
            found |= {needle for needle in needles if needle in tail + piece}
            left, tail = left - len(piece), piece[-64:]
    return sorted(found)


def state(machine: Machine) -> dict[str, str]:
    """What the initramfs says of the card."""
    lines = machine.run("cat /run/attendance-boot/card").splitlines()
    return dict(line.split("=", 1) for line in lines)


def write_rows(machine: Machine) -> None:
    """Something that a thief would like to have."""
    machine.run(f"mkdir -p /var/lib/attendance/known_faces/{ROLL.decode()} && echo {ROLL.decode()} > /data/roll && sync")


def write_down(machine: Machine) -> str:
    """The recovery key, which counts as written down: it is no longer shown, and stays as it is."""
    key = machine.run("cat /run/attendance-boot/recovery-key")
    machine.run(
        "install -d -o attendance -g attendance /var/lib/attendance/card && "
        "sed -n 's/^uuid=//p' /run/attendance-boot/card > /var/lib/attendance/card/recovery-key-seen && sync"
    )
    return key


class Cards:
    """Cards under test, and what the one before left."""

    def __init__(self, site: Site, tpm: Tpm, tang: Tang) -> None:
        self.site, self.machine = site, site.machine
        self.tpm, self.tang = tpm, tang
        self.recovery = ""

    def settings(self) -> bytes:
        text = self.site.settings()
        key = f'key = "{SECRET.decode()}"'.encode()
        return re.sub(rb'key = "[^"]*"', key, text) if self.site.backend else text + b"[webhook]\n" + key + b"\n"

    def card(self) -> dict[str, str]:
        return state(self.machine)


def fresh_card_with_a_tpm(cards: Cards) -> None:
    """Settings with card.key on a fresh card: encrypted from the first byte on, and a recovery key is shown,
    not logged."""
    machine = cards.machine
    machine.tpm = cards.tpm
    eeprom.write(machine.card, 1, "attendance.toml", cards.settings() + TPM)
    cards.site.start()
    assert (cards.card()["state"], cards.card()["key"]) == ("encrypted", "tpm"), cards.card()
    cards.recovery = machine.run("cat /run/attendance-boot/recovery-key")
    assert re.fullmatch(r"([a-v]{8}-){7}[a-v]{8}", cards.recovery), "no recovery key"
    assert cards.recovery not in machine.run("journalctl -b --no-pager -o cat; dmesg"), "the log has the recovery key"
    wait_for(lambda: cards.recovery in machine.run("cat /run/issue.d/attendance.issue", check=False)[1], "the key on the console")
    assert SECRET.decode() in machine.run("cat /etc/attendance/attendance.toml")
    assert machine.run("cat /sys/module/aes_ce_blk/refcnt") != "0", "it is encrypted without the processor's instructions for that"
    write_rows(machine)
    assert machine.run("cat /data/card-key") == "tpm"
    machine.power_cut()
    assert found_raw(machine) == []


def a_restart_opens_it(cards: Cards) -> None:
    """The TPM opens it again; until somebody has written the recovery key down, each start makes another."""
    machine = cards.machine
    cards.site.start()
    assert cards.card()["by"] == "tpm", cards.card()
    assert machine.run("cat /data/roll") == ROLL.decode()
    again = write_down(machine)
    assert again != cards.recovery
    cards.recovery = again
    machine.power_cut()
    cards.site.start()
    assert machine.run("ls /run/attendance-boot/recovery-key", check=False)[0] != 0, "it is shown again"


def without_its_tpm_nothing_is_lost(cards: Cards) -> None:
    """No TPM, or another: the start stays and says so, on the card, too; nothing on the partition changes."""
    machine = cards.machine
    machine.power_cut()
    start, length = eeprom.partitions(machine.card)[6]

    def content() -> bytes:
        return subprocess.run(
            f"dd if={machine.card} bs=1M iflag=skip_bytes,count_bytes skip={start} count={length} status=none | sha256sum",
            shell=True,
            check=True,
            capture_output=True,
        ).stdout

    before = content()
    for tpm in (None, cards.tpm.another()):
        machine.tpm = tpm
        machine.power_on()
        machine.wait_for_console(STAYS)
        wait_for(lambda: b"recovery-key.txt" in (eeprom.read(machine.card, 1, "attendance-status.txt") or b""), "the way out on the card")
        machine.power_cut()
        assert content() == before


def the_recovery_key_opens_it(cards: Cards) -> None:
    """In a file on the card: it opens, the file is gone, and the new TPM opens from then on."""
    machine = cards.machine
    eeprom.write(machine.card, 1, "recovery-key.txt", cards.recovery.encode() + b"\r\n")
    cards.site.start()
    assert machine.run("cat /data/roll") == ROLL.decode()
    assert cards.card()["by"] == "tpm", cards.card()
    machine.power_cut()
    assert "recovery-key.txt" not in eeprom.listing(machine.card, 1)
    cards.site.start()
    assert cards.card()["by"] == "tpm", cards.card()
    machine.power_cut()


FRESH = [fresh_card_with_a_tpm, a_restart_opens_it, without_its_tpm_nothing_is_lost, the_recovery_key_opens_it]


def a_plain_card_moves_over(cards: Cards) -> None:
    """A card that was used in plain: the power goes while it moves over, also in the middle of the encryption
    and behind it, and all is there."""
    machine = cards.machine
    machine.tpm = cards.tpm
    os.truncate(machine.card, LARGE)
    eeprom.write(machine.card, 1, "attendance.toml", cards.settings())
    cards.site.start()
    assert cards.card()["state"] == "plain"
    write_rows(machine)
    machine.run("head -c 30000000 /dev/urandom > /data/photos && sha256sum /data/photos > /data/sums && sync")
    machine.power_cut()
    assert found_raw(machine) == sorted([ROLL, SECRET])
    eeprom.write(machine.card, 1, "attendance.toml", cards.settings() + TPM)
    cards.site.start()
    assert machine.run("cat /data/card-key") == "tpm"
    machine.power_cut()
    steps = (r"asks for an encrypted card", r"encrypting the card; the power", r"encrypting the card: .*[0-9]%", r"the card is encrypted")
    for pattern in steps:
        machine.power_on()
        machine.wait_for_console(rf"initramfs: .*{pattern}", 6 * BOOT_TIMEOUT)
        machine.power_cut()
    cards.site.start()
    assert (cards.card()["state"], cards.card()["by"]) == ("encrypted", "tpm"), cards.card()
    assert "OK" in machine.run("sha256sum -c /data/sums")
    assert SECRET.decode() in machine.run("cat /etc/attendance/attendance.toml")
    machine.power_cut()
    assert found_raw(machine) == []


MOVING = [a_plain_card_moves_over]


def fresh_card_with_tang(cards: Cards) -> None:
    """The key comes from a tang server, by cable and DHCP, before anything of the card is open."""
    machine = cards.machine
    machine.tpm = None
    machine.services.append(cards.tang.service())
    eeprom.write(machine.card, 1, "attendance.toml", cards.settings() + cards.tang.settings())
    cards.site.start()
    assert (cards.card()["state"], cards.card()["key"]) == ("encrypted", "network"), cards.card()
    write_rows(machine)
    machine.power_cut()
    assert found_raw(machine) == []
    cards.site.start()
    assert cards.card()["by"] == "network", cards.card()
    assert machine.run("cat /data/roll") == ROLL.decode()


def without_tang_it_waits(cards: Cards) -> None:
    """The server is gone: the start stays and asks again. When it answers, the start goes on."""
    machine = cards.machine
    machine.power_cut()
    cards.tang.answer(False)
    machine.power_on()
    machine.wait_for_console(STAYS)
    cards.tang.answer(True)
    machine.wait_for_agent(BOOT_TIMEOUT)
    assert machine.run("cat /data/roll") == ROLL.decode()


def a_server_with_other_keys_does_not_open_it(cards: Cards) -> None:
    """A server at the same address that makes keys of its own: the start stays."""
    machine = cards.machine
    machine.power_cut()
    cards.tang.other_keys()
    machine.power_on()
    machine.wait_for_console(STAYS)
    machine.power_cut()


NETWORK = [fresh_card_with_tang, without_tang_it_waits, a_server_with_other_keys_does_not_open_it]


class Updating:
    """A card with a key from a TPM that gets updates. `recovery`: its recovery key."""

    def __init__(self, door: Door, tpm: Tpm) -> None:
        self.door, self.machine, self.recovery = door, door.machine, ""
        self.machine.tpm = tpm
        settings = Site(self.machine, door.page_port, door.backend).settings()
        eeprom.write(self.machine.card, 1, "attendance.toml", settings + TPM)

    def opened(self) -> None:
        """The start that runs has opened the card with the TPM's key, and finds there what was written."""
        found = state(self.machine)
        assert (found["state"], found["by"]) == ("encrypted", "tpm"), found
        assert self.machine.run("cat /data/roll") == ROLL.decode()


def an_update_opens_it(card: Updating) -> None:
    """An update by the console: the other slot opens the card with the same TPM, and commits itself."""
    card.door.start()
    card.door.whole()
    card.recovery = write_down(card.machine)
    write_rows(card.machine)
    updates.to_the_other(card.door)
    card.opened()


def a_failed_trial_goes_back_and_opens_it(card: Updating) -> None:
    """A system that fails its trial: the one before starts again, opens the card and says why."""
    updates.fault(card.door, "mute", lambda _: None)
    card.opened()


def a_trial_without_the_tpm_goes_back(card: Updating) -> None:
    """A system on trial that gets no key from the TPM: the trial is over, and nothing was changed."""
    tpm = card.machine.tpm
    card.door.update("good")
    tpm.fitted = False
    card.door.start(trial=True)
    tpm.fitted = True
    card.machine.wait_for_console("this system cannot open the encrypted card")
    card.door.goes_back("did not come up")
    card.opened()


def a_corrupted_root_is_left(card: Updating) -> None:
    """The committed root, which has the programs that open the card, is corrupted: the other slot opens the
    card and commits itself."""
    updates.to_the_other(card.door)
    updates.head_corrupted(card.door)
    card.opened()


def after_the_recovery_key_updates_go_on(card: Updating) -> None:
    """The card in another board, with another TPM: the recovery key opens it, and so does the next update's
    slot with that TPM."""
    card.machine.power_cut()
    card.machine.tpm = card.machine.tpm.another()
    eeprom.write(card.machine.card, 1, "recovery-key.txt", card.recovery.encode())
    card.door.start()
    card.door.whole()
    card.opened()
    updates.to_the_other(card.door)
    card.opened()
    card.machine.power_cut()
    assert found_raw(card.machine, (ROLL, card.door.backend.key.encode())) == []


UPDATES = [
    an_update_opens_it,
    a_failed_trial_goes_back_and_opens_it,
    a_trial_without_the_tpm_goes_back,
    a_corrupted_root_is_left,
    after_the_recovery_key_updates_go_on,
]
# The bundles that these install.
BUNDLES = ["good", "mute"]


# Megabytes that are read and written, and how often.
THROUGHPUT = 96, 3


def throughput_with_and_without(cards: Cards) -> None:
    """What the encryption costs: the same commands on the encrypted partition and on what is opened of it;
    written is to the empty slot's root and to a file. The emulated processor's figures say nothing of a
    board's."""
    machine = cards.machine
    machine.tpm = cards.tpm
    eeprom.write(machine.card, 1, "attendance.toml", cards.settings() + TPM)
    cards.site.start()
    assert cards.card()["state"] == "encrypted", cards.card()
    machine.run("systemctl stop attendance.service", timeout=120)
    megabytes, rounds = THROUGHPUT
    opened = machine.run("findmnt -no SOURCE /data")
    blocks = f"bs=1M count={megabytes}"
    write = f"dd if=/dev/zero {blocks} oflag=direct conv=fsync,notrunc of="
    read = f"dd of=/dev/null {blocks} skip=16 iflag=direct if="
    commands = {
        "read": (f"{read}/run/attendance-boot/partitions/6", f"{read}{opened}"),
        "write": (f"{write}/run/attendance-boot/partitions/5", f"{write}/data/throughput"),
    }
    # The card's file and the file on it get their blocks before they count.
    for command in commands["write"]:
        machine.run(command)
    for what, pair in commands.items():
        plain, encrypted = (statistics.median(seconds(machine.run(f"{command} 2>&1")) for _ in range(rounds)) for command in pair)
        print(f"    {what}: plain {megabytes / plain:.0f} MiB/s, encrypted {megabytes / encrypted:.0f} MiB/s: {plain / encrypted:.2f}")
    # Without a card, in memory.
    print("    " + machine.run("cryptsetup benchmark --cipher aes-xts --key-size 512 2>&1 | tail -n 1"))
    print("    cipher: " + machine.run("sed -n 's/^driver *: *\\(.*xts.*\\)/\\1/p' /proc/crypto | tr '\\n' ' '"))


def seconds(said: str) -> float:
    """What dd says it took."""
    return float(re.search(r"copied, ([0-9.e+-]+) s", said)[1])


SPEED = [throughput_with_and_without]
PARTS = ["fresh", "moving", "network", "updates", "speed"]
