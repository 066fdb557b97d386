"""Tones in what the emulated sound card played."""

import array
import math
import pathlib
from typing import NamedTuple

RATE = 48_000
# Samples looked at together: 40 ms.
WINDOW = 1920
# Notes in hertz: app/crates/door/src/tones.rs.
TONES = {
    "in": (659.3, 987.8),
    "out": (987.8, 659.3),
    "seen": (880.0,),
    "too-early": (440.0,),
    "unknown": (392.0, 392.0),
    "refused": (233.1, 233.1, 233.1),
    "prompt": (523.3, 784.0),
}
NOTES = sorted({note for notes in TONES.values() for note in notes})
# Samples below this are silence.
QUIET = 500


class Note(NamedTuple):
    """A note and how long it was heard, seconds."""

    pitch: float
    length: float


def samples(path: pathlib.Path, after: int = 0) -> array.array:
    """The left channel of what the card's file has after so many bytes. Its header is complete only when the
    machine is off, so it is not asked."""
    data = path.read_bytes()[44 + max(0, after - 44) // 4 * 4 :]
    both = array.array("h", data[: len(data) // 4 * 4])
    return both[::2]


def strength(window: array.array, pitch: float) -> float:
    """How much of this pitch is in the window (Goertzel's form of one line of the Fourier transform)."""
    factor = 2 * math.cos(2 * math.pi * pitch / RATE)
    before, last = 0.0, 0.0
    for sample in window:
        before, last = last, sample + factor * last - before
    return math.sqrt(max(0.0, before**2 + last**2 - factor * before * last)) * 2 / len(window)


def notes(heard: array.array) -> list[Note]:
    """The notes, in order. Silence between two equal notes makes two of them."""
    found: list[Note] = []
    ended = True
    for start in range(0, len(heard) - WINDOW, WINDOW // 2):
        window = heard[start : start + WINDOW]
        if max(window) < QUIET:
            ended = True
            continue
        pitch = max(NOTES, key=lambda note: strength(window, note))
        if found and not ended and found[-1].pitch == pitch:
            found[-1] = Note(pitch, found[-1].length + WINDOW / 2 / RATE)
        else:
            found.append(Note(pitch, WINDOW / 2 / RATE))
        ended = False
    # A window on the border of two notes may look like a third.
    return [note for note in found if note.length >= 0.03]


def contains(heard: list[Note], tone: str) -> bool:
    """Whether the tone's notes follow each other somewhere."""
    wanted, pitches = list(TONES[tone]), [note.pitch for note in heard]
    return any(pitches[at : at + len(wanted)] == wanted for at in range(len(pitches)))
