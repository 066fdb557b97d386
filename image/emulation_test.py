#!/usr/bin/env python3
"""Tests of what judges the emulated door: pictures of the screen, tones, and the kernel's notes of lines."""

import array
import math
import pathlib
import tempfile
import unittest
from unittest import mock

from emulation import display, extras, header, tones


def sound(*notes: tuple[float, float]) -> array.array:
    """These notes (hertz, seconds)."""
    heard = array.array("h")
    for pitch, length in notes:
        heard.extend(int(8000 * math.sin(2 * math.pi * pitch * at / tones.RATE)) for at in range(int(length * tones.RATE)))
    return heard


SILENCE = (0.0, 0.3)
PAUSE = (0.0, 0.06)


class Tones(unittest.TestCase):
    def test_each_tone_is_told_from_the_others(self) -> None:
        for name, pitches in tones.TONES.items():
            notes = [SILENCE]
            for pitch in pitches:
                notes += [(pitch, 0.15), *([PAUSE] if len(set(pitches)) < len(pitches) else [])]
            heard = tones.notes(sound(*notes, SILENCE))
            found = [other for other in tones.TONES if tones.contains(heard, other)]
            self.assertEqual(found, [name], heard)

    def test_silence_and_another_pitch_are_no_tone(self) -> None:
        self.assertEqual(tones.notes(sound(SILENCE)), [])
        reversed_in = tones.notes(sound(SILENCE, (987.8, 0.15), (659.3, 0.15), SILENCE))
        self.assertFalse(tones.contains(reversed_in, "in"))


def picture(left: tuple[int, int, int], right: tuple[int, int, int], varied: bool = False) -> display.Picture:
    """Two plain parts, 3/5 and 2/5 of the width; the left one as a camera's picture where it is varied."""
    width, height = 100, 60
    data = bytearray()
    for y in range(height):
        for x in range(width):
            data += bytes((x * 2, y * 4, (x * y) % 256)) if varied and x < 60 else bytes(left if x < 60 else right)
    return display.Picture(width, height, bytes(data))


class Screen(unittest.TestCase):
    def test_states_are_told_by_their_grounds(self) -> None:
        for name, ground in display.GROUNDS.items():
            self.assertEqual(picture(ground, ground).state(), name)
        self.assertEqual(picture(display.GROUNDS["in"], display.GROUNDS["refused"]).state(), "in")
        self.assertEqual(picture(display.NIGHT_BLUE, display.AMBER, varied=True).state(), "hint")
        self.assertEqual(picture(display.NIGHT_BLUE, display.NIGHT_BLUE, varied=True).state(), "somebody")
        self.assertEqual(picture(display.NIGHT_BLUE, display.NIGHT_BLUE).state(), "idle")
        self.assertEqual(picture(display.DIMMED, display.DIMMED).state(), "dim")
        self.assertEqual(picture((0, 0, 0), (0, 0, 0)).state(), "console")
        self.assertEqual(picture((200, 0, 200), (200, 0, 200)).state(), "other")

    def test_a_dump_is_read_and_a_picture_written(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            dump = pathlib.Path(folder, "dump")
            dump.write_bytes(b"P6\n2 1\n255\n\x01\x02\x03\n\n\n")
            read = display.read(dump)
            self.assertEqual(read, display.Picture(2, 1, b"\x01\x02\x03\n\n\n"))
            read.write(pathlib.Path(folder, "a.png"))
            self.assertTrue(pathlib.Path(folder, "a.png").read_bytes().startswith(b"\x89PNG"))
            dump.write_bytes(b"P6\n2 2\n255\n\x01\x02\x03")
            self.assertRaises(ValueError, display.read, dump)


TRACE = """       door-pins-752     [001] .....   457.805963: gpio_value: 537 set 0
       door-pins-752     [001] .....   458.705073: gpio_value: 543 set 0
       door-pins-752     [001] .....   473.582996: gpio_value: 543 set 1
       door-pins-752     [001] .....   473.752381: gpio_value: 537 set 1
       door-pins-752     [001] .....   475.601091: gpio_value: 543 set 0
"""


class Lines(unittest.TestCase):
    def test_pulses_are_read_from_the_kernels_notes(self) -> None:
        pins = header.Header.__new__(header.Header)
        pins.machine = mock.Mock(run=mock.Mock(return_value=(0, TRACE)))
        self.assertEqual(pins.pulses(header.RELAY), [(473.582996, 475.601091)])
        self.assertEqual(pins.pulses(header.BUZZER), [], "it is still on")
        self.assertEqual(len(pins.changes()), 5)

    def test_a_modules_needs_are_read_from_it(self) -> None:
        self.assertEqual(extras.dependencies(b"\0license=GPL\0depends=snd-pcm,snd\0name=a\0"), ["snd_pcm", "snd"])
        self.assertEqual(extras.dependencies(b"\0depends=\0name=a\0"), [])


if __name__ == "__main__":
    unittest.main()
