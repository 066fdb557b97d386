"""Boots an image in emulation; called by scripts/boot-image, which documents the options."""

import argparse
import contextlib
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import TypeVar

from . import answers, card, checks, updates
from .backend import Backend
from .door import Door
from .machine import Machine, OnLine
from .tpm import Tpm

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/boot-image")
    parser.add_argument("--image", required=True)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="show the console while testing")
    parser.add_argument("--settings", help="an attendance.toml to put on the card before an interactive boot")
    parser.add_argument("--demo-site", help="the compiled demo backend")
    parser.add_argument("--demo-data", help="the demo's photos and video")
    parser.add_argument("--test-door", action="store_true")
    parser.add_argument("--test-updates", action="store_true")
    parser.add_argument("--test-card-key", action="store_true")
    parser.add_argument("--all", action="store_true", help="every broken system, twenty power cuts, a rollout, sticks")
    parser.add_argument("--only", action="append", default=[], help="one part of --all, or of --test-card-key, on a card of its own")
    parser.add_argument("--customer-key", help="the public key (PEM) whose hash the board has in OTP: it starts nothing else")
    arguments = parser.parse_args()
    parts = card.PARTS if arguments.test_card_key else updates.PARTS
    if unknown := set(arguments.only).difference(parts):
        parser.error(f"unknown part {', '.join(unknown)}: choose of {', '.join(parts)}")
    Machine.customer_key = arguments.customer_key
    sys.stdout.reconfigure(line_buffering=True)
    # A stopped test leaves neither a machine nor its card behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if arguments.test_door:
        sys.exit(test_door(arguments))
    if arguments.test_card_key:
        sys.exit(test_card_key(arguments))
    if arguments.test_updates:
        sys.exit(test_updates(arguments))
    sys.exit(test(arguments) if arguments.test else interactive(arguments))


def interactive(arguments: argparse.Namespace) -> int:
    """Boot after boot on this terminal, as the machine asks for them; Ctrl-A X ends it."""
    from . import eeprom

    machine = Machine(arguments.image)
    try:
        if arguments.settings:
            with open(arguments.settings, "rb") as file:
                eeprom.write(machine.card, 1, "attendance.toml", file.read())
        machine.forward(8443, 443)
        print("The page: https://127.0.0.1:8443/   Power off: Ctrl-A X   The card is thrown away afterwards.")
        machine.power_on(interactive=True)
        return machine.process.wait()
    finally:
        machine.close()


def test(arguments: argparse.Namespace) -> int:
    show = (lambda line: print(f"      | {line}")) if arguments.verbose else None
    with tempfile.TemporaryDirectory(prefix="boot-image-") as folder:
        backend = Backend(arguments.demo_site, arguments.demo_data, folder) if arguments.demo_site else None
        machine = Machine(arguments.image, folder=f"{folder}/machine", on_line=show, used=True)
        page_port = checks.free_port()
        machine.forward(page_port, 443)
        if backend:
            machine.serve(*checks.BACKEND, backend.port)
            machine.extra_devices += backend.disk()
        site = checks.Site(machine, page_port, backend)
        try:
            return run(checks.CHECKS, site, machine)
        finally:
            machine.close()
            if backend:
                backend.close()


def run(wanted: list[Callable[[T], None]], subject: T, machine: Machine) -> int:
    """These checks in order, each on the state that the one before left; the exit code."""
    passed, failed = 0, 0
    for check in wanted:
        begun = time.monotonic()
        try:
            check(subject)
        except Exception:
            failed += 1
            print(f"FAILED {check.__name__} ({check.__doc__}), {time.monotonic() - begun:.0f} s")
            traceback.print_exc()
            print("      the console's last lines:")
            print("\n".join(f"      | {line}" for line in machine.log[-30:]))
            break
        passed += 1
        print(f"ok {check.__name__}, {time.monotonic() - begun:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def test_door(arguments: argparse.Namespace) -> int:
    show = (lambda line: print(f"      | {line}")) if arguments.verbose else None
    pictures = pathlib.Path(arguments.image).parent / "door"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir()
    source = pathlib.Path(arguments.demo_data)
    with tempfile.TemporaryDirectory(prefix="boot-image-") as folder:
        place = pathlib.Path(folder)
        backend = Backend(arguments.demo_site, answers.demo(source, place), folder)
        machine = Machine(arguments.image, folder=place / "machine", on_line=show)
        try:
            return run(answers.CHECKS, answers.Answers(machine, backend, pictures, source), machine)
        finally:
            machine.close()
            backend.close()
            print(f"what the screen showed: {pictures}")


def test_card_key(arguments: argparse.Namespace) -> int:
    driver = pathlib.Path(arguments.image).parent / "test-drivers" / "tpm_tis.ko"
    if not driver.exists():
        print(f"boot-image: {driver} is not there: run scripts/build-image --test-bundles first", file=sys.stderr)
        return 1
    show = (lambda line: print(f"      | {line}")) if arguments.verbose else None
    failed = 0
    with tempfile.TemporaryDirectory(prefix="boot-image-") as folder:
        for part in card.PARTS:
            if part in (arguments.only or card.PARTS):
                failed |= test_cards(part, arguments, pathlib.Path(folder, part), driver, show)
    return failed


def test_cards(part: str, arguments: argparse.Namespace, place: pathlib.Path, driver: pathlib.Path, show: OnLine) -> int:
    """One part of card.PARTS, on cards of its own."""
    place.mkdir()
    tpm = Tpm(place / "tpm", driver)
    if part == "updates":
        with contextlib.closing(Backend(arguments.demo_site, arguments.demo_data, str(place))) as backend:
            door = Door(arguments.image, pathlib.Path(arguments.image).parent / "test", backend, card.BUNDLES, show)
            with contextlib.closing(door.machine):
                return run(card.UPDATES, card.Updating(door, tpm), door.machine)
    with contextlib.closing(Machine(arguments.image, folder=place / "machine", on_line=show)) as machine:
        wanted = {"fresh": card.FRESH, "moving": card.MOVING, "network": card.NETWORK, "speed": card.SPEED}[part]
        return run(wanted, card.Cards(checks.Site(machine, 0), tpm, card.Tang(place / "tang")), machine)


def test_updates(arguments: argparse.Namespace) -> int:
    bundles = pathlib.Path(arguments.image).parent / "test"
    if not bundles.is_dir():
        print(f"boot-image: {bundles} is not there: run scripts/build-image --test-bundles first", file=sys.stderr)
        return 1
    show = (lambda line: print(f"      | {line}")) if arguments.verbose else None
    with tempfile.TemporaryDirectory(prefix="boot-image-") as folder:
        backend = Backend(arguments.demo_site, arguments.demo_data, folder)
        try:
            updates.test(arguments.image, bundles, backend, arguments.all, arguments.only, on_line=show)
        except Exception:
            traceback.print_exc()
            return 1
        finally:
            backend.close()
    return 0


if __name__ == "__main__":
    main()
