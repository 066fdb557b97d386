"""The header's pins in emulation: a controller of gpio-sim under the name of the Pi's, and what the kernel
notes of its lines."""

import re
import time
from typing import NamedTuple

from . import extras
from .machine import Machine

LABEL, LINES = "pinctrl-rp1", 54
# Header pin: line of the controller (app/crates/door/src/pins.rs).
BUZZER, GREEN, RED, RELAY = 17, 27, 22, 23
PINS = {11: BUZZER, 13: GREEN, 15: RED, 16: RELAY}
_SIM = "/sys/kernel/config/gpio-sim/header"
_TRACE = "/sys/kernel/tracing"


class Change(NamedTuple):
    """A line that was switched: seconds since the start, line, level."""

    at: float
    line: int
    on: bool


class Header:
    """The controller, made inside a machine that runs. `hogged`: lines that something else has."""

    def __init__(self, machine: Machine, hogged: tuple[int, ...] = ()) -> None:
        self.machine = machine
        extras.load(machine, "gpio_sim")
        machine.run(
            "mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; "
            f"mountpoint -q {_TRACE} || mount -t tracefs none {_TRACE}; "
            f"echo 1 > {_TRACE}/events/gpio/gpio_value/enable; echo > {_TRACE}/trace"
        )
        hogs = "".join(
            f"mkdir -p {_SIM}/bank/line{line}/hog && echo somebody > {_SIM}/bank/line{line}/hog/name && "
            f"echo output-low > {_SIM}/bank/line{line}/hog/direction && "
            for line in hogged
        )
        self.hogged = hogged
        machine.run(
            f"mkdir -p {_SIM}/bank && echo {LINES} > {_SIM}/bank/num_lines && echo {LABEL} > {_SIM}/bank/label && "
            f"{hogs}echo 1 > {_SIM}/live"
        )
        self.folder = machine.run(f"echo /sys/devices/platform/$(cat {_SIM}/dev_name)/$(cat {_SIM}/bank/chip_name)")

    def level(self, line: int) -> bool:
        """What a relay on this line sees now."""
        return self.machine.run(f"cat {self.folder}/sim_gpio{line}/value") == "1"

    def claimed(self) -> set[int]:
        """Lines that the appliance has."""
        self.machine.run("mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug")
        listed = self.machine.run(f"sed -n '/{LABEL}/,/^$/p' /sys/kernel/debug/gpio")
        return {int(line) for line in re.findall(r"gpio-(\d+) .*\(attendance *\)? ", listed)}

    def changes(self) -> list[Change]:
        """Every line that was switched since this controller is there, in order."""
        noted = self.machine.run(f"grep -a 'gpio_value:.* set ' {_TRACE}/trace", check=False)[1]
        found = re.findall(r"(\d+\.\d+): gpio_value: (\d+) set (\d)", noted)
        # The kernel counts lines over all controllers. The first claim switches every line off.
        base = min((int(number) for _, number, _ in found), default=0) - min(PINS.values())
        return [Change(float(at), int(number) - base, value == "1") for at, number, value in found]

    def pulses(self, line: int) -> list[tuple[float, float]]:
        """When this line was on: (from, to) of each pulse that has ended."""
        pulses, since = [], None
        for change in self.changes():
            if change.line == line and change.on and since is None:
                since = change.at
            elif change.line == line and not change.on and since is not None:
                pulses.append((since, change.at))
                since = None
        return pulses

    def remove(self) -> None:
        """Takes the controller out, as if the board had none."""
        lines = "".join(f"rmdir {_SIM}/bank/line{line}/hog {_SIM}/bank/line{line}; " for line in self.hogged)
        self.machine.run(f"echo 0 > {_SIM}/live; {lines}rmdir {_SIM}/bank {_SIM}")

    def wait_claimed(self, lines: set[int], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not lines <= (claimed := self.claimed()):
            assert time.monotonic() < deadline, f"the appliance has the lines {sorted(claimed)}, and not {sorted(lines)}"
            time.sleep(1)
