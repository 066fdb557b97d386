"""Commands run inside the emulated appliance, without anything for it in the image.

systemd takes extra units from credentials, which may stand on the kernel's command line: the player appends
one that connects bash to a virtio port. What is tested is therefore bit for bit what ships.
"""

import base64
import socket
import time
from typing import Literal, overload

# The port's node is looked for in the kernel's own listing: udev may take its time on a slow host.
_LOOP = """
until port=$(grep -lx agent /sys/class/virtio-ports/*/name); do sleep 1; done
exec 3<>/dev/$(basename ${port%/name})
echo ready >&3
while read -r -u 3 line; do
    output=$(bash -c "$(base64 -d <<< "$line")" 2>&1 < /dev/null)
    printf '%s %s\\n' $? "$(base64 -w 0 <<< "$output")" >&3
done
"""

_UNIT = """[Unit]
DefaultDependencies=no
[Service]
ExecStart=bash -c 'base64 -d <<< {script} | bash'
"""


def kernel_arguments() -> str:
    """What the player appends to the kernel's command line."""
    script = base64.b64encode(_LOOP.strip().encode()).decode()
    unit = base64.b64encode(_UNIT.format(script=script).encode()).decode()
    return f"systemd.set_credential_binary=systemd.extra-unit.test-agent.service:{unit} systemd.wants=test-agent.service"


class CommandFailed(Exception):
    """A command in the guest ended with another code than 0."""


class Agent:
    """The host's end of the port."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.socket = None
        self.received = b""

    def connect(self, deadline: float) -> None:
        """Waits until bash answers inside."""
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(self.path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        if self._line(deadline) != "ready":
            raise CommandFailed("the agent did not say ready")

    def _line(self, deadline: float) -> str:
        while b"\n" not in self.received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer from inside the machine")
            self.socket.settimeout(left)
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("the machine is gone")
            self.received += piece
        line, _, self.received = self.received.partition(b"\n")
        return line.decode()

    @overload
    def run(self, command: str, timeout: float = 300, check: Literal[True] = True) -> str: ...
    @overload
    def run(self, command: str, timeout: float = 300, *, check: Literal[False]) -> tuple[int, str]: ...
    def run(self, command: str, timeout: float = 300, check: bool = True) -> str | tuple[int, str]:
        """(exit code, output) of a bash command inside; with `check`, output alone, and CommandFailed on
        another code than 0."""
        self.socket.sendall(base64.b64encode(command.encode()) + b"\n")
        code, _, encoded = self._line(time.monotonic() + timeout).partition(" ")
        output = base64.b64decode(encoded).decode(errors="replace").rstrip("\n")
        if not check:
            return int(code), output
        if code != "0":
            raise CommandFailed(f"{command!r} ended with {code}:\n{output}")
        return output
