"""What `scripts/boot-image --test-door` shows: the screen, the pins and the tones at the door, on the image
that ships, with an emulated graphics card, keyboard, USB sound card and header.

The checks run in this order on one card, each on the state that the one before left. A check is a function of
Answers; it fails by any exception. Each state of the screen is kept as a picture.
"""

import base64
import contextlib
import pathlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable

from . import checks, eeprom, extras, tones
from .agent import CommandFailed
from .backend import Backend
from .checks import wait_for
from .display import HEIGHT, WIDTH, Display, Picture
from .header import BUZZER, GREEN, RED, RELAY, Header
from .machine import Machine
from .page import Page

MODULES = ("gpio_sim",)
SETTINGS = "/etc/attendance/attendance.toml"
# The demo's students without this one, who is the stranger.
STRANGER = "2110003"
# Emulated, a frame takes about a second: films run in slow motion.
SPEED = "0.05"
# Seconds until a recognised face is answered, emulated on a busy machine.
ANSWER_TIMEOUT = 600


def demo(source: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The demo's folder with a smaller roster, so that one of its people is a stranger."""
    place = folder / "demo"
    shutil.copytree(source / "students", place / "students", ignore=shutil.ignore_patterns(STRANGER))
    shutil.copy(source / "person", place)
    (place / "door.y4m").symlink_to(source / "door.y4m")
    return place


def films(source: pathlib.Path, folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """What the camera shows: the person of the demo, nobody, somebody unknown, and a printed photo with its
    white border, still for 9 seconds: a head that is asked to turn and does not."""
    still = "setsar=1,loop=loop={}:size=1"
    printed = "crop=970:1100:0:0,scale=-2:320,pad=iw+24:ih+24:12:12:white,pad=640:480:(ow-iw)/2:(oh-ih)/2:0x556070"
    sources = {
        "nobody.y4m": ("empty.mjpeg", "scale=640:480", 15, 20),
        "stranger.y4m": (f"students/{STRANGER}/obama.jpg", f"scale=-2:480,pad=640:480:(ow-iw)/2:0:gray,{still.format(20)}", 15, 20),
        # In slow motion its frames still come often enough for a camera that works.
        "picture.y4m": ("students/2110002/biden.jpg", f"{printed},{still.format(270)}", 30, 270),
    }
    made = {"person.y4m": source / "door.y4m"}
    for name, (file, filters, rate, frames) in sources.items():
        made[name] = folder / name
        ends = ["-vf", filters, "-frames:v", str(frames), "-pix_fmt", "yuv420p", made[name]]
        begins = ["ffmpeg", "-nostdin", "-loglevel", "error", "-bitexact", "-framerate", str(rate), "-i"]
        subprocess.run([*begins, source / file, *ends], check=True)
    return made


class Answers:
    """The door under test, and where its pictures go."""

    def __init__(self, machine: Machine, backend: Backend, pictures: pathlib.Path, demo_data: pathlib.Path) -> None:
        self.machine, self.backend, self.pictures = machine, backend, pictures
        self.page_port = checks.free_port()
        self.site = checks.Site(machine, self.page_port, backend)
        self.sound = machine.folder / "sound.wav"
        self.heard_before = 0
        self.display: Display | None = None
        self.kept: dict[str, Picture] = {}
        self.header: Header | None = None
        machine.forward(self.page_port, 443)
        machine.serve(*checks.BACKEND, backend.port)
        films_folder = machine.folder / "films"
        films_folder.mkdir()
        machine.extra_devices += [
            *extras.disk(machine, MODULES, films(demo_data, films_folder)),
            "-device",
            f"virtio-gpu-pci,xres={WIDTH},yres={HEIGHT}",
            "-device",
            "qemu-xhci,id=usb",
            "-device",
            "usb-kbd,bus=usb.0",
            "-audiodev",
            f"wav,id=sound,path={self.sound},out.frequency={tones.RATE}",
            "-device",
            "usb-audio,id=card,bus=usb.0,audiodev=sound",
            "-qmp",
            f"unix:{machine.folder}/monitor,server=on,wait=off",
        ]

    # ── Settings and films

    def settings(self, shown: list[str], liveness: str, language: str = "en", pulse: str = "2s", speed: str = SPEED) -> str:
        address = f"http://{checks.BACKEND[0]}:{checks.BACKEND[1]}"
        replay = ", ".join(f'"/var/lib/attendance/{name}.y4m"' for name in shown)
        return f"""[site]
name = "Emulated door"
time_zone = "UTC"
clock = "system"
[photos]
url = "{self.backend.photos_url(address)}"
interval = "10m"
[webhook]
url = "{self.backend.webhook_url(address)}"
key = "{self.backend.key}"
interval = "5s"
[camera]
source = "replay"
replay = [{replay}]
replay_speed = {speed}
[attendance]
policy = "alternate"
minimum_gap = "15s"
[liveness]
require = "{liveness}"
[door]
language = "{language}"
[screen]
dim_after = "10s"
[sound]
device = "default"
volume = 100
buzzer_pin = 11
green_pin = 13
red_pin = 15
[relay]
pin = 16
pulse = "{pulse}"
accept_recordings = {"true" if liveness == "off" else "false"}
"""

    def show(self, shown: list[str], liveness: str, **more: str) -> float:
        """The camera shows these films from now on; the moment at which the service was started with them."""
        text = base64.b64encode(self.settings(shown, liveness, **more).encode()).decode()
        self.machine.run(f"base64 -d <<< {text} > {SETTINGS}")
        self.machine.run("attendance check-config --config " + SETTINGS, timeout=60)
        self.heard_before = self.sound.stat().st_size if self.sound.exists() else 0
        began = time.monotonic()
        self.machine.run("systemctl restart attendance.service", timeout=300)
        return began

    # ── What is observed

    def start(self) -> None:
        """Power on, until commands can be run; the display is watched from here on."""
        self.machine.power_on()
        self.machine.wait_for_agent()
        self.display = Display(self.machine, self.pictures, self.kept)
        wait_for(lambda: self.machine.run("ls /dev/disk/by-id/virtio-extras", check=False)[0] == 0, "the disk of extras")
        extras.mount(self.machine)

    def journal(self, since: str = "") -> str:
        return self.machine.run(f"journalctl -b -o cat --no-pager -u attendance {since}")

    def told(self, words: str, seconds: float = 60) -> None:
        """Until the journal says so."""
        wait_for(lambda: words in self.journal(), f"{words!r} in the journal", seconds)

    def heard(self, tone: str, seconds: float = 30) -> list[tones.Note]:
        """Until this tone was played since the service was started; all notes since then."""
        notes: list[tones.Note] = []
        deadline = time.monotonic() + seconds
        while not tones.contains(notes, tone):
            assert time.monotonic() < deadline, f"the tone {tone!r} was not heard, but {notes or 'nothing'}"
            time.sleep(1)
            notes = tones.notes(tones.samples(self.sound, self.heard_before))
        return notes


# ── The checks


def console_has_the_display_until_the_first_log_in(door: Answers) -> None:
    """A new card's screen shows address and first password, and the door's screen does not hide them."""
    eeprom.write(door.machine.card, 1, "attendance.toml", door.settings(["nobody"], "off").encode())
    door.start()
    door.machine.run(f"cp {extras.PLACE}/*.y4m /var/lib/attendance/ && chown attendance: /var/lib/attendance/*.y4m", timeout=300)
    door.header = Header(door.machine, hogged=(RED,))
    wait_for(lambda: any(line.startswith("Password:") for line in door.machine.log), "the first password on the console", 600)
    wait_for(lambda: door.machine.run("systemctl is-active attendance.service", check=False)[1] == "active", "the service")
    wait_for(lambda: door.machine.run("ls /dev/dri/card0", check=False)[0] == 0, "the graphics card")
    door.display.wait("console", time.monotonic(), 120)
    time.sleep(10)
    shown = door.display.picture()
    assert shown.state() == "console", f"the screen shows {shown.state()}"
    assert shown.share((170, 170, 170)) > 0.01, "the console is empty"


def the_first_log_in_brings_the_screen(door: Answers) -> None:
    """The technician logs in; the screen at the door takes the display."""
    password = re.search(r"Password: +(\S+)", "\n".join(door.machine.log))[1]
    since = time.monotonic()
    wait_for(lambda: checks.attempt(lambda: Page(door.page_port, password)), "the log-in")
    door.display.wait("dim", since, 60)


def a_key_leads_to_a_console_and_back(door: Answers) -> None:
    """Alt+F2 shows a log-in prompt, Alt+F1 the door's screen again."""
    since = time.monotonic()
    door.display.press("alt", "f2")
    door.display.wait("console", since, 60)
    since = time.monotonic()
    door.display.press("alt", "f1")
    door.display.wait("dim", since, 60)


def a_pin_that_is_taken_is_told_and_the_others_work(door: Answers) -> None:
    """A line that a driver has is named with its header pin; when it is free, it is taken."""
    door.header.wait_claimed({BUZZER, GREEN, RELAY})
    door.told("header pin 15 is used by another program or driver")
    assert RED not in door.header.claimed()
    door.machine.run("systemctl stop attendance.service", timeout=120)
    door.header.remove()
    door.header = Header(door.machine)
    door.machine.run("systemctl start attendance.service", timeout=300)
    door.header.wait_claimed({BUZZER, GREEN, RED, RELAY})
    assert not any(change.on for change in door.header.changes()), "a start switches something on"


def in_and_out_are_seen_and_heard_and_open_the_door(door: Answers) -> None:
    """The person of the film comes and comes again: own picture, IN, OUT, their tones, green light, buzzer, a
    pulse of the relay for each, and its line in the audit."""
    since = door.show(["person", "nobody"], "off")
    for state in ("somebody", "in", "idle", "dim"):
        door.display.wait(state, since, ANSWER_TIMEOUT)
    door.heard("in")
    # A film's time passes as slowly as the film: a start of the service ends the visit.
    since = door.show(["person"], "off")
    door.display.wait("out", since, ANSWER_TIMEOUT)
    door.heard("out")
    wait_for(lambda: len(door.header.pulses(RELAY)) >= 2, "two pulses of the relay", 30)
    for begin, end in door.header.pulses(RELAY):
        assert 1.9 <= end - begin <= 4, f"a pulse of the relay has {end - begin:.2f} s instead of 2"
    for begin, end in door.header.pulses(GREEN):
        assert 1.9 <= end - begin <= 6, f"the green light was on for {end - begin:.2f} s instead of 2"
    assert len(door.header.pulses(BUZZER)) >= 3, "IN has one beat and OUT has two"
    assert not door.header.pulses(RED), "the red light was on"
    opened = door.machine.run("journalctl -b --no-pager -u attendance TARGET=attendance::audit -o cat")
    assert opened.count("the door was opened for 2110001") >= 2, f"the audit says: {opened}"
    print(f"    relay {[round(end - begin, 2) for begin, end in door.header.pulses(RELAY)]} s")


def a_stranger_is_sent_to_the_office(door: Answers) -> None:
    """Somebody who is not on the roster: "I do not know you", its tone, a red light, and a door that stays
    shut."""
    before = len(door.header.pulses(RELAY))
    since = door.show(["stranger"], "off")
    door.display.wait("unknown", since, ANSWER_TIMEOUT)
    door.heard("unknown")
    wait_for(lambda: door.header.pulses(RED), "the red light", 30)
    assert len(door.header.pulses(RELAY)) == before, "the door was opened for a stranger"


def a_picture_is_asked_to_move_and_refused(door: Answers) -> None:
    """A photo of somebody on the roster, held before the camera, with the default rule of liveness: advice,
    then "that looks like a picture", and a door that stays shut. In Hindi."""
    before = len(door.header.pulses(RELAY))
    since = door.show(["picture"], "passive+prompt", language="hi", speed="0.025")
    door.display.wait("hint", since, ANSWER_TIMEOUT)
    door.display.wait("refused", since, ANSWER_TIMEOUT)
    door.heard("refused")
    assert len(door.header.pulses(RELAY)) == before, "the door was opened for a picture"


def display_faults_are_told_and_survived(door: Answers) -> None:
    """Unplugged in operation; taken by another program. Each time the screen comes back."""
    door.show(["nobody"], "off")
    door.display.wait("dim", time.monotonic(), 120)
    connector = "/sys/class/drm/card0-Virtual-1/status"
    for force, state in (("off", "console"), ("detect", "dim")):
        since = time.monotonic()
        door.machine.run(f"echo {force} > {connector}")
        door.display.wait(state, since, 30)
    door.display.press("alt", "f2")
    door.display.wait("console", time.monotonic(), 30)
    # The first process that opens a graphics card is its master.
    door.machine.run("(exec 3<> /dev/dri/card0; exec sleep 20) > /dev/null 2>&1 &")
    time.sleep(2)
    door.display.press("alt", "f1")
    door.told("another program has the display")
    door.display.wait("dim", time.monotonic(), 60)
    told = door.journal().count("another program has the display")
    assert told == 1, f"it was told {told} times"


def a_sound_card_that_is_unplugged_is_told_and_found_again(door: Answers) -> None:
    """The USB sound card is pulled in operation: that is told, and the screen goes on. Plugged in again, it
    is heard again."""
    # Each is shown long enough for an answer. After the pause the person counts as somebody new.
    door.show([*["stranger"] * 4, "nobody"], "off")
    door.heard("unknown", ANSWER_TIMEOUT)
    door.display.ask("device_del", id="card")
    since = time.monotonic()
    door.told('the sound device "default" cannot be used', 300)
    door.display.wait("unknown", since, 300)
    # The card's file begins again.
    door.display.ask("device_add", driver="usb-audio", id="card", bus="usb.0", audiodev="sound")
    door.heard_before = 0
    door.heard("unknown", 300)


def a_crash_shuts_the_door(door: Answers) -> None:
    """kill -9 in the middle of a pulse: the kernel releases the line, the resistor keeps the relay off, and
    the start after it opens nothing."""
    door.show(["person"], "off", pulse="30s")
    wait_for(lambda: door.header.level(RELAY), "the relay", ANSWER_TIMEOUT)
    door.machine.run(f"sed -i 's/person.y4m/nobody.y4m/' {SETTINGS}")
    said = door.machine.run(f"systemctl kill -s KILL attendance.service; sleep 1; cat {door.header.folder}/sim_gpio{RELAY}/value")
    assert said.endswith("0"), "the relay is on after the process died"
    at = float(door.machine.run("cut -d' ' -f1 /proc/uptime"))
    wait_for(lambda: door.machine.run("systemctl is-active attendance.service", check=False)[1] == "active", "the service")
    door.header.wait_claimed({RELAY})
    later = [change for change in door.header.changes() if change.line == RELAY and change.at > at]
    assert later and not any(change.on for change in later), f"after the crash: {later}"
    assert not door.header.level(RELAY)


def a_restart_opens_nothing(door: Answers) -> None:
    """A restart of the machine in the middle of a pulse: the service shuts the relay before it ends, and the
    next start switches nothing on. The screen comes back without a log-in."""
    door.show(["person"], "off", pulse="30s")
    wait_for(lambda: door.header.level(RELAY), "the relay", ANSWER_TIMEOUT)
    door.machine.run(f"sed -i 's/person.y4m/nobody.y4m/' {SETTINGS}; cp {SETTINGS} /data/kept/; sync")
    said = door.machine.run(f"systemctl stop attendance.service; cat {door.header.folder}/sim_gpio{RELAY}/value", timeout=120)
    assert said.endswith("0"), "the relay is on after the service was stopped"
    with contextlib.suppress(ConnectionError, TimeoutError, CommandFailed):
        door.machine.run("systemctl reboot")
    door.machine.wait_for_restart(300)
    door.display.close()
    since = time.monotonic()
    door.start()
    door.header = Header(door.machine)
    door.display.wait("dim", since, 600)
    door.header.wait_claimed({BUZZER, GREEN, RED, RELAY})
    changes = door.header.changes()
    assert changes and not any(change.on for change in changes), f"at the start: {changes}"


def service_is_confined(door: Answers) -> None:
    """With display, sound and pins: exposure at most 2.0, and no other device."""
    exposure = door.machine.run("systemd-analyze security --no-pager attendance.service | tail -1")
    print("    " + exposure)
    assert float(re.search(r": ([0-9.]+)", exposure)[1]) <= 2.0


CHECKS: list[Callable[[Answers], None]] = [
    console_has_the_display_until_the_first_log_in,
    the_first_log_in_brings_the_screen,
    a_key_leads_to_a_console_and_back,
    a_pin_that_is_taken_is_told_and_the_others_work,
    in_and_out_are_seen_and_heard_and_open_the_door,
    a_stranger_is_sent_to_the_office,
    a_picture_is_asked_to_move_and_refused,
    display_faults_are_told_and_survived,
    a_sound_card_that_is_unplugged_is_told_and_found_again,
    a_crash_shuts_the_door,
    a_restart_opens_nothing,
    service_is_confined,
]
