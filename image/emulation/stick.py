"""A USB stick plugged into the emulated board, and pulled again: what image/UPDATES.md promises of it.

`prepare` before the machine is powered on (it adds a USB controller and QEMU's monitor), `check` while slot A
or B runs committed.
"""

import json
import pathlib
import socket
import subprocess
import time
from typing import Any

from .door import Door, expect
from .machine import Machine


def prepare(machine: Machine) -> None:
    """Give the board a USB controller, and this module the monitor to plug things in with."""
    machine.extra_devices += ["-device", "qemu-xhci,id=usb", "-qmp", f"unix:{machine.folder}/monitor,server=on,wait=off"]


def make(machine: Machine, files: dict[str, pathlib.Path]) -> pathlib.Path:
    """A stick (FAT32, which mtools makes look like a partitioned disk, too) with the files {name: path} at
    its top; its image's path."""
    image = machine.folder / "usb.img"
    image.unlink(missing_ok=True)
    megabytes = 64 + sum(path.stat().st_size for path in files.values()) // 2**20
    subprocess.run(["truncate", "-s", f"{megabytes}M", image], check=True)
    subprocess.run(["mformat", "-F", "-i", image, "::"], check=True)
    for name, path in files.items():
        subprocess.run(["mcopy", "-i", image, path, f"::{name}"], check=True)
    return image


class Monitor:
    """QEMU's machine protocol, as far as it is needed."""

    def __init__(self, machine: Machine) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(machine.folder / "monitor"))
        self.lines = self.socket.makefile("r")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.lines.readline())
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def plug(self, image: pathlib.Path) -> None:
        self.ask(
            "blockdev-add", driver="raw", **{"node-name": "stick", "read-only": True, "file": {"driver": "file", "filename": str(image)}}
        )
        self.ask("device_add", driver="usb-storage", id="plugged", drive="stick", bus="usb.0")

    def pull(self) -> None:
        self.ask("device_del", id="plugged")
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.ask("blockdev-del", **{"node-name": "stick"})
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def check(door: Door, newer: str = "9.9.9") -> None:
    """The bundle `newer.raucb` carries version `newer`; the others carry the running one, so a name that
    promises more is found out by what is signed. Ends when the system from a stick has committed itself."""
    machine, bundles = door.machine, door.bundles
    monitor = Monitor(machine)

    def plugged(files: dict[str, pathlib.Path]) -> dict[str, Any]:
        before = door.attempt()
        monitor.plug(make(machine, files))
        return door.attempt_after(before)

    for bundle, words in {"stranger": "not signed by anybody", "good": "runs already", "truncated": "damaged"}.items():
        told = plugged({f"attendance-rpi5-{newer}.raucb": bundles / f"{bundle}.raucb"})
        expect(told["origin"] == "stick" and words in (told.get("refused") or ""), f"{bundle} on a stick: {told}")
        monitor.pull()
    # Pulled in the middle of the copy: nothing is left, and nothing hangs.
    before = door.attempt()
    monitor.plug(make(machine, {f"attendance-rpi5-{newer}.raucb": bundles / "newer.raucb"}))
    while machine.run("ls /var/lib/attendance/update/stick/incoming.raucb 2> /dev/null", check=False)[0]:
        time.sleep(0.2)
    monitor.pull()
    told = door.attempt_after(before)
    expect("stick" in (told.get("refused") or ""), f"a pulled stick: {told}")
    expect(machine.run("ls /var/lib/attendance/update/stick") == "", "a pulled stick left something behind")
    expect(machine.run("grep -c attendance-stick /proc/self/mounts", check=False)[1] == "0", "the stick is still mounted")
    monitor.plug(
        make(machine, {f"attendance-rpi5-{newer}.raucb": bundles / "newer.raucb", "attendance-rpi5-0.0.1.raucb": bundles / "old.raucb"})
    )
    # Nobody is there, so it is tried at once.
    machine.wait_for_restart(900)
    door.start(trial=True)
    door.up()
    door.committed()
