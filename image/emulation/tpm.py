"""A TPM 2.0 for the emulated board: swtpm behind QEMU's `tpm-tis-device`.

Debian's kernel has no driver for that device (a board's TPM is on SPI). The driver is compiled for the test
(steps/test-drivers) and laid over the initramfs that ships, whose own files stay as they are.
"""

import pathlib
import subprocess
import tempfile

DEVICE = "of:N*T*Ctcg,tpm-tis-mmio"


class Tpm:
    """One chip; what it keeps lies in `folder`. `fitted`: whether it is on the board at the next start."""

    def __init__(self, folder: pathlib.Path, driver: pathlib.Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.driver = driver
        self.fitted = True

    def another(self) -> "Tpm":
        """A TPM that knows nothing of this one's keys."""
        return Tpm(self.folder.with_name(self.folder.name + "-other"), self.driver)

    def start(self) -> list[str]:
        """QEMU's options for it; empty where it is not on the board. The chip ends with the machine."""
        if not self.fitted:
            return []
        socket = self.folder / "socket"
        socket.unlink(missing_ok=True)
        subprocess.run(
            [
                "swtpm",
                "socket",
                "--tpm2",
                "--tpmstate",
                f"dir={self.folder}",
                "--ctrl",
                f"type=unixio,path={socket}",
                "--flags",
                "startup-clear",
                "--terminate",
                "--daemon",
            ],
            check=True,
        )
        chip = ["-chardev", f"socket,id=tpm,path={socket}", "-tpmdev", "emulator,id=tpm0,chardev=tpm"]
        return [*chip, "-device", "tpm-tis-device,tpmdev=tpm0"]

    def initramfs(self, shipped: pathlib.Path) -> bytes:
        """What is laid over the initramfs that ships: the driver, and the lists by which it is found."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            unpack = f"zstd -dc {shipped} | cpio --quiet -idm 'lib/modules/*/modules.*'"
            subprocess.run(["sh", "-c", unpack], cwd=folder, check=True)
            (modules,) = folder.glob("lib/modules/*")
            kept = {"modules.dep", "modules.alias"}
            for file in modules.iterdir():
                if file.name not in kept:
                    file.unlink()
            core = next(line for line in (modules / "modules.dep").read_text().splitlines() if "/tpm_tis_core.ko:" in line)
            with (modules / "modules.dep").open("a") as lines:
                lines.write(f"kernel/tpm_tis.ko: {core.replace(':', '')}\n")
            with (modules / "modules.alias").open("a") as lines:
                lines.write(f"alias {DEVICE} tpm_tis\nalias {DEVICE}C* tpm_tis\n")
            (modules / "kernel").mkdir()
            (modules / "kernel/tpm_tis.ko").write_bytes(self.driver.read_bytes())
            pack = "find . -mindepth 1 | cpio --quiet --create --format=newc"
            return subprocess.run(["sh", "-c", pack], cwd=folder, check=True, capture_output=True).stdout
