"""The emulated board's display: its picture, which state of the screen at the door that is, and the file that
keeps it."""

import pathlib
import struct
import threading
import time
import zlib
from typing import NamedTuple

from .machine import Machine
from .stick import Monitor

WIDTH, HEIGHT = 800, 480
# Grounds of the states: app/crates/door/src/paint/colour.rs. `Colour: share of the screen that has it`.
GROUNDS = {
    "in": (11, 118, 60),
    "out": (21, 84, 168),
    "seen": (13, 94, 100),
    "too-early": (72, 76, 100),
    "unknown": (106, 44, 145),
    "refused": (176, 20, 28),
    "wait": (44, 62, 84),
}
NIGHT_BLUE, DIMMED, AMBER, WHITE = (14, 27, 44), (4, 9, 15), (255, 196, 61), (255, 255, 255)
# Pixels between two that are looked at.
STEP = 4


class Picture(NamedTuple):
    """Rows of red, green, blue."""

    width: int
    height: int
    data: bytes

    def share(self, colour: tuple[int, int, int], left: float = 0, right: float = 1) -> float:
        """How much of the columns from `left` to `right` (shares of the width) has this colour."""
        columns = range(int(left * self.width), int(right * self.width), STEP)
        wanted, found, looked = bytes(colour), 0, 0
        for y in range(0, self.height, STEP):
            row = self.data[3 * y * self.width : 3 * (y + 1) * self.width]
            found += sum(row[3 * x : 3 * x + 3] == wanted for x in columns)
            looked += len(columns)
        return found / looked

    def colours(self, left: float, right: float) -> int:
        """How many colours the columns from `left` to `right` have: a camera's picture has many."""
        columns = range(int(left * self.width), int(right * self.width), STEP)
        rows = range(0, self.height, STEP)
        return len({self.data[3 * (y * self.width + x) : 3 * (y * self.width + x) + 3] for y in rows for x in columns})

    def state(self) -> str:
        """Which state of the screen this is; "console" for white on black, "other" for none of them."""
        for name, ground in GROUNDS.items():
            if self.share(ground) > 0.5:
                return name
        cards = [name for name, ground in GROUNDS.items() if self.share(ground) > 0.08]
        if sum(self.share(GROUNDS[name]) for name in cards) > 0.5:
            return "several"
        if self.share(AMBER, 0.6, 1) > 0.5:
            return "hint"
        if self.share(NIGHT_BLUE, 0.6, 1) > 0.5:
            return "idle" if self.share(NIGHT_BLUE, 0, 0.6) > 0.5 and self.colours(0, 0.6) < 600 else "somebody"
        if self.share(DIMMED) > 0.5:
            return "dim"
        return "console" if self.share((0, 0, 0)) > 0.5 else "other"

    def write(self, path: pathlib.Path) -> None:
        """As a PNG file."""

        def chunk(kind: bytes, content: bytes) -> bytes:
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

        rows = b"".join(b"\0" + self.data[3 * self.width * y : 3 * self.width * (y + 1)] for y in range(self.height))
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def read(path: pathlib.Path) -> Picture:
    """A picture as QEMU dumps it (PPM)."""
    kind, size, most, data = path.read_bytes().split(b"\n", 3)
    width, height = (int(side) for side in size.split())
    if kind != b"P6" or most != b"255" or len(data) != 3 * width * height:
        raise ValueError(f"{path} is not a picture of QEMU's")
    return Picture(width, height, data)


class Display:
    """Looks at the screen about twice a second and keeps the first picture of every state in `folder`."""

    def __init__(self, machine: Machine, folder: pathlib.Path, kept: dict[str, Picture]) -> None:
        self.monitor, self.folder = Monitor(machine), folder
        self.dump = machine.folder / "screen.ppm"
        # (when, state) at each change.
        self.seen: list[tuple[float, str]] = []
        self.kept = kept
        self._asking = threading.Lock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def picture(self) -> Picture:
        with self._asking:
            self.monitor.ask("screendump", filename=str(self.dump))
            return read(self.dump)

    def ask(self, command: str, **arguments: object) -> None:
        """Something else of QEMU's monitor."""
        with self._asking:
            self.monitor.ask(command, **arguments)

    def press(self, *keys: str) -> None:
        """Keys of the keyboard, together."""
        self.ask("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def _watch(self) -> None:
        while not self._ends.wait(0.3):
            try:
                picture = self.picture()
            except (OSError, ValueError):
                return  # the machine is off
            state = picture.state()
            if not self.seen or self.seen[-1][1] != state:
                self.seen.append((time.monotonic(), state))
            if state not in self.kept:
                self.kept[state] = picture
                picture.write(self.folder / f"{len(self.kept):02}-{state}.png")

    def wait(self, state: str, since: float, seconds: float) -> None:
        """Until the screen has shown this state at or after the moment `since`; AssertionError with what it
        showed."""
        deadline = time.monotonic() + seconds
        while True:
            shown = [name for when, name in list(self.seen) if when >= since] + [name for _, name in list(self.seen)[-1:]]
            if state in shown:
                return
            assert time.monotonic() < deadline, f"the screen showed {shown or 'nothing'} within {seconds} s, and not {state!r}"
            time.sleep(0.3)

    def close(self) -> None:
        self._ends.set()
        self._thread.join(10)
