#!/usr/bin/env python3
"""A device of the board for which the kernel's package has a module must find that module in the image.

    board.py ALIASES MODULES TREE...

ALIASES: modules.alias of the whole package. MODULES: the image's folder of modules. TREE: the board's device
trees. Says every module that is missing, and fails. A driver that is built into the kernel has no alias and
asks for nothing.
"""

import pathlib
import re
import subprocess
import sys

# Modules that the board's trees ask for and the image does without, with reasons.
LEFT_OUT = {
    "hci_uart": "Bluetooth, which nothing here uses",
    # Raspberry Pi's own trees alone name these.
    "spi_bcm2835": "the flash of the board's own firmware, which nothing here writes",
    "designware_i2s": "sound over I2S, which nothing here uses",
    "snd_soc_rp1_aout": "sound on test points of the board",
    "raspberrypi_gpiomem": "registers for programs that drive pins past the kernel",
    "raspberrypi_axi_monitor": "counters for developers",
}


def main() -> None:
    aliases, modules, *trees = sys.argv[1:]
    drivers = drivers_by_device(aliases)
    kept = {name(line.partition(":")[0]) for line in pathlib.Path(modules, "modules.dep").read_text().splitlines()}
    devices = set().union(*map(compatibles, trees))
    missing = {}
    for device in sorted(devices & drivers.keys()):
        for driver in drivers[device] - kept - LEFT_OUT.keys():
            missing.setdefault(driver, []).append(device)
    for driver, asked in sorted(missing.items()):
        print(f"gate: the board's {', '.join(asked)} needs the module {driver}: name it in image/modules.list", file=sys.stderr)
    # Were the trees or the aliases read wrongly, nothing would be missing either.
    found = sum(bool(drivers[device] & kept) for device in devices & drivers.keys())
    if found < 10:
        sys.exit(f"gate: only {found} of the board's devices are known: {', '.join(trees)} or {aliases} is not what it was")
    print(f"board: {found} devices have their modules")
    sys.exit(bool(missing))


def drivers_by_device(aliases: str) -> dict[str, set[str]]:
    """{device, as a tree's `compatible` names it: its modules}."""
    found = {}
    for line in pathlib.Path(aliases).read_text().splitlines():
        if match := re.fullmatch(r"alias of:N\*T[^C]*C(.*?)(?:C\*)? (\S+)", line):
            found.setdefault(match[1], set()).add(match[2])
        elif match := re.match(r"alias pci:v0000(\w{4})d0000(\w{4})\S* (\S+)", line):
            # A PCI device in a tree: pciVENDOR,DEVICE in lower case and without leading zeros.
            vendor, device = (int(part, 16) for part in match.groups()[:2])
            found.setdefault(f"pci{vendor:x},{device:x}", set()).add(match[3])
    return found


def compatibles(tree: str) -> set[str]:
    """Every device that a device tree names, also those that are switched off: an overlay may switch them
    on."""
    source = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", tree], capture_output=True, text=True, check=True).stdout
    properties = re.findall(r"^\s*compatible = (.*);$", source, re.M)
    return {device for value in properties for text in re.findall(r'"([^"]*)"', value) for device in text.split("\\0")}


def name(path: str) -> str:
    """The module's name as the kernel spells it."""
    return pathlib.PurePath(path).name.split(".ko")[0].replace("-", "_")


if __name__ == "__main__":
    main()
