"""What `scripts/boot-image --test-card-key` shows: a card with a key from a TPM, a plain card that moves over
while the power goes, and a card with a key from the network (a real tang behind an address of the emulated
network).

Read raw, as a thief would: nothing of what the device knows is found on the encrypted partition.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator

from . import eeprom
from .checks import Site, wait_for
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
        """What the initramfs says."""
        lines = self.machine.run("cat /run/attendance-boot/card").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def write_rows(self) -> None:
        """Something that a thief would like to have."""
        self.machine.run(f"mkdir -p /var/lib/attendance/known_faces/{ROLL.decode()} && echo {ROLL.decode()} > /data/roll && sync")


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
    cards.write_rows()
    assert machine.run("cat /data/card-key") == "tpm"
    machine.power_cut()
    assert found_raw(machine) == []


def a_restart_opens_it(cards: Cards) -> None:
    """The TPM opens it again; until somebody has written the recovery key down, each start makes another."""
    machine = cards.machine
    cards.site.start()
    assert cards.card()["by"] == "tpm", cards.card()
    assert machine.run("cat /data/roll") == ROLL.decode()
    again = machine.run("cat /run/attendance-boot/recovery-key")
    assert again != cards.recovery
    cards.recovery = again
    machine.run(
        "install -d -o attendance -g attendance /var/lib/attendance/card && "
        "sed -n 's/^uuid=//p' /run/attendance-boot/card > /var/lib/attendance/card/recovery-key-seen && sync"
    )
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
    cards.write_rows()
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
    cards.write_rows()
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
