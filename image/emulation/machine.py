"""An emulated appliance: QEMU's arm64 board, a copy of the disk image as its card, and the EEPROM player in
front."""

import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO, Literal, overload

from . import agent, eeprom
from .eeprom import StrPath
from .tpm import Tpm

# What is told each line of the console.
OnLine = Callable[[str], None] | None

# A card is larger than the image; the first boot grows the data partition to its end.
CARD_BYTES = 2 << 30
# Seconds from start to multi-user.target, emulated, on a busy two-core machine. Idle it takes about 60.
BOOT_TIMEOUT = 600
# An emulated machine on a busy host is ten times slower than the board: devices may take longer than
# systemd's 90 seconds.
EMULATED = "systemd.default_device_timeout_sec=600 systemd.log_color=0"


class Machine:
    """One appliance. `power_on` … `power_cut` or a restart it asks for itself; the card lives on between
    boots. `used`: the card was full of other things before the image was written to it. `tryboot`: the
    firmware's flag."""

    # A PEM file: the public key whose hash every board has in OTP; None where signed boot is not set up.
    customer_key: StrPath | None = None

    def __init__(
        self, image: StrPath, folder: StrPath | None = None, memory_mb: int = 1024, on_line: OnLine = None, used: bool = False
    ) -> None:
        self._own = None if folder else tempfile.TemporaryDirectory(prefix="appliance-")
        self.folder = pathlib.Path(folder or self._own.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.card = self.folder / "card.img"
        if used:
            self._flash_used_card(pathlib.Path(image))
        else:
            subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, self.card], check=True)
        with open(self.card, "r+b") as card:
            card.truncate(max(CARD_BYTES, self.card.stat().st_size))
        self.memory_mb = memory_mb
        self.on_line = on_line or (lambda line: None)
        self.forwards = []
        self.services = []
        self.extra_devices = []
        self.tpm: Tpm | None = None
        self.rtc = "base=utc"
        self.firmware = eeprom.NEW
        self.log = []
        self.process = None
        self.agent = None
        self.boot = None
        self.tryboot = False
        self._new_line = threading.Condition()

    def _flash_used_card(self, image: pathlib.Path) -> None:
        """What bmaptool makes of a card that was used before: only the ranges that the image's .bmap names
        are written."""
        (bmap,) = image.parent.glob("*.bmap")
        text = bmap.read_text()
        block = int(re.search(r"<BlockSize>\s*(\d+)", text)[1])
        litter = random.Random(0).randbytes(1 << 20)
        with open(image, "rb") as source, open(self.card, "wb") as card:
            for _ in range(image.stat().st_size // len(litter) + 64):
                card.write(litter)
            # Where a larger card keeps its spare partition table.
            card.seek(CARD_BYTES - len(litter))
            card.write(litter)
            for first, last in re.findall(r"<Range[^>]*>\s*(\d+)(?:-(\d+))?\s*</Range>", text):
                for number in range(int(first), int(last or first) + 1):
                    source.seek(number * block)
                    card.seek(number * block)
                    card.write(source.read(block))

    # ── The wires

    def forward(self, host_port: int, guest_port: int) -> None:
        """Connections to 127.0.0.1:host_port reach the guest's guest_port."""
        self.forwards.append(f"hostfwd=tcp:127.0.0.1:{host_port}-:{guest_port}")

    def serve(self, guest_address: str, guest_port: int, host_port: int) -> None:
        """The guest reaches 127.0.0.1:host_port of this machine as guest_address:guest_port, and nothing else
        anywhere."""
        self.services.append(f"guestfwd=tcp:{guest_address}:{guest_port}-cmd:nc -N 127.0.0.1 {host_port}")

    # ── Power

    def power_on(self, interactive: bool = False, arguments: str = "") -> None:
        """Start as the firmware would. `arguments` are appended to the kernel's command line."""
        tree = self.folder / "board.dtb"
        # The flag is used up, also by a slot that does not start.
        tryboot, self.tryboot = self.tryboot, False
        self.boot = eeprom.boot(self.card, tryboot, self.folder, self.customer_key)
        cmdline = re.sub(r"console=\S+ *", "", self.boot.cmdline)
        cmdline = f"console=ttyAMA0 {cmdline} {'' if interactive else agent.kernel_arguments()} {EMULATED} {arguments}"
        if len(cmdline) > 2047:
            raise eeprom.BootError("the command line is longer than the kernel's 2048 bytes")
        machine = [
            "qemu-system-aarch64",
            "-M",
            "virt,gic-version=2",
            "-cpu",
            "cortex-a76",
            "-smp",
            "2",
            "-m",
            str(self.memory_mb),
            "-nodefaults",
        ]
        tpm = self.tpm.start() if self.tpm else []
        subprocess.run([*machine[:2], machine[2] + f",dumpdtb={tree}", *machine[3:], *tpm], check=True, capture_output=True)
        if tpm:
            overlay = self.tpm.initramfs(self.boot.initramfs)
            with open(self.boot.initramfs, "ab") as file:
                # The kernel wants the next archive at a multiple of 4.
                file.write(bytes(-file.tell() % 4) + overlay)
            # The chip ended with the machine that printed its tree.
            tpm = self.tpm.start()
        eeprom.device_tree(self.boot, tree, self.firmware)
        socket = self.folder / "agent"
        socket.unlink(missing_ok=True)
        net = ",".join(["user,id=net,restrict=on", *self.forwards, *self.services])
        command = [
            # When the player ends in whatever way, the machine ends.
            "setpriv",
            "--pdeathsig",
            "KILL",
            *machine,
            "-accel",
            "tcg,thread=multi",
            "-no-reboot",
            "-rtc",
            self.rtc,
            "-dtb",
            str(tree),
            "-kernel",
            str(self.boot.kernel),
            "-initrd",
            str(self.boot.initramfs),
            "-append",
            cmdline,
            "-drive",
            f"if=none,id=card,format=raw,file={self.card},cache=writeback",
            "-device",
            "virtio-blk-pci,drive=card",
            "-netdev",
            net,
            "-device",
            "virtio-net-pci,netdev=net,romfile=,mac=52:54:00:a7:7e:01",
            "-device",
            "virtio-rng-pci",
            "-device",
            "virtio-serial-pci",
            "-chardev",
            f"socket,id=agent,path={socket},server=on,wait=off",
            "-device",
            "virtserialport,chardev=agent,name=agent",
            *self.extra_devices,
            *tpm,
        ]
        self.log = []
        self.started = time.monotonic()
        if interactive:
            self.process = subprocess.Popen([*command, "-nographic", "-serial", "mon:stdio"])
            return
        self.process = subprocess.Popen(
            [*command, "-display", "none", "-serial", "stdio"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self._read_console, args=(self.process.stdout,), daemon=True).start()
        self.agent = agent.Agent(str(socket))

    def _read_console(self, stream: IO[bytes]) -> None:
        for raw in stream:
            line = re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|M)|\r", "", raw.decode(errors="replace")).rstrip("\n")
            if "Restarting system with command" in line and "0 tryboot" in line:
                self.tryboot = True
            with self._new_line:
                self.log.append(line)
                self._new_line.notify_all()
            self.on_line(line)

    def wait_for_console(self, pattern: str, timeout: float = BOOT_TIMEOUT) -> str:
        """The first console line of this boot that matches; TimeoutError with the log's tail if none
        comes."""
        deadline = time.monotonic() + timeout
        seen = 0
        with self._new_line:
            while True:
                for line in self.log[seen:]:
                    if re.search(pattern, line):
                        return line
                seen = len(self.log)
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._new_line.wait(1)):
                    raise TimeoutError(f"no line like {pattern!r} on the console; it ended with\n" + "\n".join(self.log[-40:]))
                self._new_line.wait(min(left, 1))

    def wait_for_agent(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Until commands can be run inside."""
        try:
            self.agent.connect(time.monotonic() + timeout)
        except (TimeoutError, OSError) as error:
            raise TimeoutError(f"{error}; the console ended with\n" + "\n".join(self.log[-60:])) from error

    @overload
    def run(self, command: str, timeout: float = 300, check: Literal[True] = True) -> str: ...
    @overload
    def run(self, command: str, timeout: float = 300, *, check: Literal[False]) -> tuple[int, str]: ...
    def run(self, command: str, timeout: float = 300, check: bool = True) -> str | tuple[int, str]:
        """See Agent.run."""
        return self.agent.run(command, timeout, check=check)

    def wait_for_restart(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Until the machine has switched itself off to restart (QEMU ends at a restart: -no-reboot)."""
        self.process.wait(timeout)

    def power_cut(self) -> None:
        """Pull the plug: nothing inside gets a chance to do anything."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            # The firmware's flag is in memory.
            self.tryboot = False
        if self.process:
            self.process.wait()

    def close(self) -> None:
        """Power off and throw the card away."""
        self.power_cut()
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)
