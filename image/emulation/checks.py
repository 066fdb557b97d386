"""What `scripts/boot-image --test` shows of an image: a card's life from the first start to a damaged data
partition.

The checks run in this order on one card, each on the state that the one before left. A check is a function of
Site; it fails by any exception.
"""

import base64
import hashlib
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from typing import TypeVar

from . import eeprom
from .backend import Backend
from .machine import BOOT_TIMEOUT, Machine
from .page import Page

T = TypeVar("T")

# The guest's view of the demo backend on this host.
BACKEND = ("10.0.2.100", 8080)
WRONG_SETTINGS = b'[site]\nname = "Broken"\n\n[webhook]\nurrl = "https://backend.example/"\n'
# What QEMU's own DHCP server would give.
FIXED_ADDRESS = b'\n[network]\naddresses = ["10.0.2.15/24"]\ngateways = ["10.0.2.2"]\ndns = ["10.0.2.3"]\n'
# A log-in at the cable's port, with any authority's certificate.
LOG_IN = """
eap_method = "peap"
eap_identity = "door"
eap_password = "none"
eap_ca_file = "/etc/ssl/certs/ca-certificates.crt"
eap_server_name = "radius.backend.example"
"""
# A camera without a device: what libcamera's virtual pipeline reads.
VIRTUAL_CAMERA = b"""%YAML 1.1
---
"door":
  supported_formats:
  - width: 640
    height: 480
    frame_rates: [5, 15]
  test_pattern: "lines"
  model: "Moving lines"
"""


class Site:
    """The card under test, the machine it is in, and the demo backend."""

    def __init__(self, machine: Machine, page_port: int, backend: Backend | None = None) -> None:
        self.machine = machine
        self.page_port = page_port
        self.backend = backend
        self.remembered = {}

    def start(self, arguments: str = "") -> None:
        """Power on, until the system has finished starting."""
        self.machine.power_on(arguments=arguments)
        self.machine.wait_for_agent()
        deadline = time.monotonic() + BOOT_TIMEOUT
        # On a slow host the film may stall like a camera: the restart that is asked for then waits minutes.
        while self.machine.run("systemctl list-jobs --no-legend | grep -vc attendance-camera-reboot || true") != "0":
            if time.monotonic() > deadline:
                raise AssertionError("jobs still wait:\n" + self.machine.run("systemctl list-jobs"))
            time.sleep(3)

    def card(self, path: str) -> bytes | None:
        """A file of the card's first partition, as a laptop would read it after the card was pulled."""
        return eeprom.read(self.machine.card, 1, path)

    def settings(self) -> bytes:
        """A working attendance.toml for the demo backend."""
        lines = ["[site]", 'name = "Emulated door"', 'time_zone = "UTC"', 'clock = "system"']
        if self.backend:
            address = f"http://{BACKEND[0]}:{BACKEND[1]}"
            lines += ["[photos]", f'url = "{self.backend.photos_url(address)}"', 'interval = "1m"']
            lines += ["[webhook]", f'url = "{self.backend.webhook_url(address)}"', f'key = "{self.backend.key}"', 'interval = "5s"']
            # Emulated, a frame takes about a second: in slow motion the blinks of the film are all seen.
            lines += [
                "[camera]",
                'source = "replay"',
                'replay = ["/var/lib/attendance/door.y4m"]',
                "replay_speed = 0.025",
                "[attendance]",
                'minimum_gap = "15s"',
            ]
        return "\n".join(lines).encode() + b"\n"


def first_start_without_settings(site: Site) -> None:
    """A used card, freshly flashed, a clock in 1970: the data partition grows, the machine gets its names,
    the card says what is missing."""
    machine = site.machine
    machine.rtc = "base=1970-01-02T00:00:00"
    site.start()
    machine.rtc = "base=utc"
    failed = machine.run("systemctl --failed --no-legend --plain | cut -d' ' -f1")
    assert failed == "", f"failed units: {failed}\n" + machine.run(f"journalctl -b --no-pager -u {failed.split()[0]}")
    assert machine.run("systemctl is-system-running", check=False)[1] == "running"
    year = int(machine.run("date +%Y"))
    assert year >= 2026, f"the clock says {year}: no floor"
    size = int(machine.run("df --output=size -BM /data | tail -1").strip(" M"))
    assert size > 500, f"/data has {size} MB of a card of 2 GB"
    site.remembered["machine-id"] = machine.run("cat /etc/machine-id")
    assert re.fullmatch(r"[0-9a-f]{32}", site.remembered["machine-id"])
    site.remembered["hostname"] = machine.run("hostname")
    assert re.fullmatch(r"attendance-[0-9a-f]{6}", site.remembered["hostname"]), site.remembered["hostname"]
    wait_for(
        lambda: b"NOT CONFIGURED" in (machine.run("cat /boot/config/attendance-status.txt", check=False)[1].encode()), "status on the card"
    )
    assert machine.run("cat /run/attendance-boot/slot") == "a"


def root_is_read_only(site: Site) -> None:
    """Nothing can be written to the root; /etc may be written in memory, /var on the data partition, and
    nothing there is a program."""
    machine = site.machine
    for command in ("touch /usr/x", "touch /x", "mount -o remount,rw /", "rm /usr/bin/attendance"):
        code, said = machine.run(command, check=False)
        assert code != 0, f"{command} succeeded: {said}"
    assert "erofs" in machine.run("findmnt -no FSTYPE /")
    assert "verity" in machine.run(
        "ls -l /dev/mapper /sys/block/dm-0/dm/name; cat /sys/block/dm-0/dm/uuid /sys/block/dm-0/dm/name; lsmod | grep verity"
    )
    for folder, layer in (("/etc", "/run/etc"), ("/var", "/run/data")):
        options = machine.run(f"findmnt -no OPTIONS {folder}")
        assert f"upperdir={layer}" in options and "noexec" in options, options
    assert "noexec" in machine.run("findmnt -no OPTIONS /data")


def nothing_waits_for_the_network(site: Site) -> None:
    """The critical chain to multi-user.target contains no network-online, and the firewall stands before the
    network."""
    machine = site.machine
    chain = machine.run("systemd-analyze critical-chain --no-pager multi-user.target")
    assert "network-online" not in chain, chain
    assert machine.run("systemctl is-active network-online.target", check=False)[1] != "active"
    rules = machine.run("nft list ruleset")
    assert "policy drop" in rules and "redirect to :8443" in rules and "dport 22" not in rules, rules
    print("    " + machine.run("systemd-analyze time").splitlines()[0])


def settings_are_taken_over(site: Site) -> None:
    """Power cut; the technician puts settings and a key on the card: taken over, gone from the card, SSH open
    to keys."""
    machine = site.machine
    # The log goes to the card once a minute (journald.conf.d): what is older is there after a power cut.
    wait_for(lambda: float(machine.run("cut -d' ' -f1 /proc/uptime")) > 90, "the first minute and a half")
    machine.power_cut()
    eeprom.write(machine.card, 1, "attendance.toml", site.settings())
    eeprom.write(
        machine.card, 1, "authorized_keys", b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJvYm90cyBoYXZlIGZlZWxpbmdzIHRvbywgbWF5YmUh test\n"
    )
    site.start()
    assert "Emulated door" in machine.run("cat /etc/attendance/attendance.toml")
    assert machine.run("stat -c '%U:%G %a' /etc/attendance/attendance.toml") == "root:attendance 640"
    names = machine.run("ls /boot/config").split()
    assert "attendance.toml" not in names and "authorized_keys" not in names, names
    assert "tcp dport 22" in machine.run("nft list chain inet filter site")
    assert machine.run("systemctl is-active dropbear.socket") == "active"
    machine.run("systemctl start dropbear-key.service")
    wait_for(lambda: machine.run("systemctl is-active attendance.service", check=False)[1] == "active", "the service")
    exposure = machine.run("systemd-analyze security --no-pager attendance.service | tail -1")
    print("    " + exposure)
    assert float(re.search(r": ([0-9.]+)", exposure)[1]) <= 2.0


def state_of_the_first_boot_is_there(site: Site) -> None:
    """The second start after a power cut: identity, journal and name are those of the first."""
    machine = site.machine
    assert machine.run("cat /etc/machine-id") == site.remembered["machine-id"]
    assert machine.run("hostname") == site.remembered["hostname"]
    boots = int(machine.run("journalctl --list-boots --no-pager -q | wc -l"))
    assert boots == 2, f"the journal knows {boots} boots"


# What somebody with the card could write to it, as of an older system, and in its own places.
FOREIGN = """
set -e
older=/data/etc/changes
mkdir -p $older/systemd/system/multi-user.target.wants $older/systemd/system/attendance.service.d $older/pam.d $older/attendance/ssh
printf '[Service]\nExecStart=/usr/bin/touch /run/foreign\n' > $older/systemd/system/foreign.service
ln -s ../foreign.service $older/systemd/system/multi-user.target.wants/foreign.service
printf '[Service]\nExecStartPre=+/usr/bin/touch /run/foreign\n' > $older/systemd/system/attendance.service.d/foreign.conf
echo /var/lib/foreign.so > $older/ld.so.preload
echo 'auth sufficient pam_permit.so' > $older/pam.d/login
truncate -s 1G /data/kept/ca.pem
ln -s /etc/shadow /data/kept/page.crt
mkdir -p /var/lib/systemd/linger /var/lib/iwd
touch /var/lib/systemd/linger/attendance
ln -s /etc/shadow /var/lib/iwd/foreign.psk
"""
# The same system as an older one leaves it: its files in /etc's layer on the data partition.
OLDER = """
cp -p /etc/machine-id /etc/hostname /etc/shadow $older/
cp -p /etc/attendance/attendance.toml $older/attendance/
cp -p /etc/attendance/ssh/authorized_keys $older/attendance/ssh/
mkdir $older/dropbear && cp -p /etc/dropbear/dropbear_ed25519_host_key $older/dropbear/
rm /data/kept/machine-id /data/kept/hostname /data/kept/attendance.toml /data/kept/authorized_keys /data/kept/dropbear_ed25519_host_key
sync
"""


def only_the_list_reaches_etc(site: Site) -> None:
    """Power cut; the card holds a unit, a drop-in, a preloaded library, links and 1 GB in the places of
    persistent files, and those of an older system: the latter are taken over, also when it changes them after
    a rollback; of the rest nothing has an effect, and all of it is said in the log."""
    machine = site.machine
    key = machine.run("sha256sum /etc/dropbear/dropbear_ed25519_host_key")
    machine.run(FOREIGN + OLDER)
    machine.power_cut()
    site.start()
    settings = "/etc/attendance/attendance.toml"
    for path in (
        "/run/foreign",
        "/etc/systemd/system/foreign.service",
        "/etc/ld.so.preload",
        "/etc/attendance/ca.pem",
        "/etc/attendance/page.crt",
    ):
        assert machine.run(f"ls {path}", check=False)[0] != 0, f"{path} is there"
    assert "pam_permit" not in machine.run("cat /etc/pam.d/login")
    assert machine.run("ls -A /var/lib/iwd; ls /var/lib/systemd/linger 2> /dev/null", check=False)[1] == ""
    told = machine.run("journalctl -b -k -o cat")
    for path in ("systemd/system/foreign.service", "systemd/system/attendance.service.d/foreign.conf", "ld.so.preload", "pam.d/login"):
        assert f"/data/etc/changes/{path}: not on the list" in told, f"{path} is not said in the log:\n{told}"
    for words in ("kept/ca.pem: more than", "kept/page.crt: a link", "lib/iwd/foreign.psk: a link", "lib/systemd/linger: "):
        assert words in told, f"{words} is not said in the log:\n{told}"
    assert "Emulated door" in machine.run(f"cat {settings}")
    assert machine.run("cat /etc/machine-id") == site.remembered["machine-id"]
    assert machine.run("hostname") == site.remembered["hostname"]
    assert machine.run("sha256sum /etc/dropbear/dropbear_ed25519_host_key") == key
    assert machine.run("systemctl is-active dropbear.socket") == "active"
    machine.run("echo '# changed after a rollback' >> /data/etc/changes/attendance/attendance.toml; sync")
    machine.power_cut()
    site.start()
    assert "# changed after a rollback" in machine.run(f"cat {settings}")
    machine.run("rm -rf /data/etc /data/kept/ca.pem /data/left-out")
    wait_for(lambda: machine.run("systemctl is-active attendance.service", check=False)[1] == "active", "the service")


def page_has_the_fingerprint_of_the_card(site: Site) -> None:
    """HTTPS on port 443 shows the certificate whose fingerprint stands in attendance-status.txt and on the
    console, with a first password."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def shown() -> str:
        with socket.create_connection(("127.0.0.1", site.page_port), timeout=20) as plain, context.wrap_socket(plain) as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: door\r\nAccept: application/json\r\nConnection: close\r\n\r\n")
            assert secured.recv(15).startswith(b"HTTP/1.1 ")
            return hashlib.sha256(secured.getpeercert(binary_form=True)).hexdigest().upper()

    fingerprint = wait_for(lambda: attempt(shown), "the page")
    site.remembered["fingerprint"] = ":".join(fingerprint[at : at + 2] for at in range(0, 64, 2))
    wait_for(
        lambda: site.remembered["fingerprint"] in site.machine.run("cat /boot/config/attendance-status.txt"), "the fingerprint on the card"
    )
    wait_for(lambda: any(site.remembered["fingerprint"] in line for line in site.machine.log), "the fingerprint on the console")
    wait_for(lambda: any(line.startswith("Password:") for line in site.machine.log), "the first password on the console")
    assert "Password" not in site.machine.run("cat /boot/config/attendance-status.txt"), "the card shows the password"


def a_row_is_delivered(site: Site) -> None:
    """Photos are mirrored, a face is recognised, a row arrives at the webhook."""
    if not site.backend:
        print("    SKIPPED: no demo backend")
        return
    machine = site.machine
    machine.run(
        f"head -c {site.backend.video_bytes} /dev/vdb > /var/lib/attendance/door.y4m && chown attendance: /var/lib/attendance/door.y4m",
        timeout=120,
    )
    machine.run("systemctl restart attendance.service", timeout=300)
    try:
        wait_for(lambda: any(line.startswith(f"{site.backend.person},in") for line in site.backend.rows()), "a row at the webhook", 900)
    except AssertionError as error:
        raise AssertionError(f"{error}\n" + machine.run("journalctl -b --no-pager -u attendance.service | tail -40")) from error


def an_erased_student_is_named_nowhere(site: Site) -> None:
    """A student who is erased on the page: the service removes its own files, root the system's log and what
    was rescued."""
    if not site.backend:
        print("    SKIPPED: no demo backend")
        return
    machine, person = site.machine, site.backend.person
    machine.run(f"mkdir -p /data/rescued && echo {person} > /data/rescued/old")
    places = "/var/lib/attendance /var/log/journal /data/rescued"
    named = f"journalctl --sync; grep -rla --exclude=door.y4m {person} {places}; journalctl -o cat --no-pager | grep -c {person}"
    before = machine.run(named, check=False)[1]
    assert "journal" in before and "rescued" in before, f"before the erasure the student is named in: {before}"
    password = re.findall(r"Password: +(\S+)", "\n".join(machine.log))[-1]
    Page(site.page_port, password).press(f"/students/{person}/erase", confirm=person)
    wait_for(lambda: machine.run(named, check=False)[1].split() == ["0"], "the student is named nowhere")
    machine.run("test ! -e /var/lib/attendance/erasures/request")
    assert machine.run("systemctl is-active attendance.service") == "active"


def libcamera_captures(site: Site) -> None:
    """The service in its sandbox opens a camera through libcamera (its virtual one, buffers from
    /dev/udmabuf) and looks at its frames."""
    machine = site.machine
    folder, unit = "/usr/share/libcamera/pipeline/virtual", "/run/systemd/system/attendance.service.d"
    camera = base64.b64encode(VIRTUAL_CAMERA).decode()
    machine.run(f"mount -t tmpfs tmpfs {folder} && base64 -d <<< {camera} > {folder}/virtual.yaml && mkdir -p {unit}")
    machine.run(f"printf '[Service]\\nEnvironment=LIBCAMERA_PIPELINES_MATCH_LIST=virtual\\n' > {unit}/virtual.conf")
    settings = "/etc/attendance/attendance.toml"
    machine.run(f"cp -p {settings} /run/settings && sed -i 's/^source = .*/source = \"libcamera\"/; /^replay/d' {settings}")
    machine.run("systemctl daemon-reload && systemctl restart attendance.service", timeout=300)

    def frames() -> int:
        report = json.loads(machine.run("cat /run/attendance/report.json", check=False)[1] or "{}")
        return report.get("processed", 0)

    wait_for(lambda: frames() >= 10, "frames of a libcamera camera")
    assert "Camera: Moving lines" in machine.run("journalctl -b -o cat -u attendance.service")
    machine.run(f"cp -p /run/settings {settings} && rm {unit}/virtual.conf && umount {folder}")
    machine.run("systemctl daemon-reload && systemctl restart attendance.service", timeout=300)


def service_may_request_a_reboot(site: Site) -> None:
    """The file by which the service asks for a restart when its camera stays away: one restart, and no
    loop."""
    machine, asked = site.machine, "/var/lib/attendance/camera/reboot"
    # A restart waits until ten minutes after the start. The machine reads that ten seconds are left.
    machine.run("echo 590.00 0.00 > /run/uptime && mount --bind /run/uptime /proc/uptime")
    machine.run(f"mkdir -p {asked.rpartition('/')[0]} && touch {asked}")
    machine.wait_for_restart(180)
    site.start()
    assert machine.run(f"ls {asked}", check=False)[0] != 0, "it would restart again and again"
    # A second request in a row waits for twice as long, whatever the service remembers.
    assert machine.run("cat /data/update/asked-restarts") == "1"
    machine.run(f"echo 590.00 0.00 > /run/uptime && mount --bind /run/uptime /proc/uptime && touch {asked}")
    log = "journalctl -b -o cat -u attendance-camera-reboot.service"
    wait_for(lambda: "it waits 610 seconds" in machine.run(log), "the wait before a second restart")
    units = "attendance-camera-reboot.path attendance-camera-reboot.service"
    machine.run(f"rm {asked}; systemctl stop {units}; umount /proc/uptime; rm /data/update/asked-restarts")


def wrong_settings_change_nothing(site: Site) -> None:
    """Power cut; a broken attendance.toml on the card: the old settings stay, the card says which line is
    wrong."""
    machine = site.machine
    machine.power_cut()
    eeprom.write(machine.card, 1, "attendance.toml", WRONG_SETTINGS)
    site.start()
    assert "Emulated door" in machine.run("cat /etc/attendance/attendance.toml")

    def status() -> str:
        return machine.run("cat /boot/config/attendance-status.txt")

    wait_for(lambda: "line 5" in status() and "urrl" in status(), "the wrong line in the status")
    assert "attendance.toml" in machine.run("ls /boot/config").split()
    wait_for(lambda: machine.run("systemctl is-active attendance.service", check=False)[1] == "active", "the service")
    machine.run("rm /boot/config/attendance.toml; sync")


def old_eeprom_starts_and_is_named(site: Site) -> None:
    """An EEPROM of 2023 reports no boot partition: the slot is found on the card, and the card says what to
    do about the EEPROM."""
    machine = site.machine
    machine.power_cut()
    machine.firmware = eeprom.OLD
    site.start()
    assert any("EEPROM of 2023-10-30 does not report the boot partition" in line for line in machine.log), "nothing on the console"
    assert machine.run("cat /run/attendance-boot/slot") == "a"

    def told() -> bool:
        text = machine.run("cat /boot/config/attendance-status.txt")
        return "of 2023-10-30, older than 2024-05-13" in text and "rpi-eeprom-update -a" in text

    wait_for(told, "the EEPROM in attendance-status.txt")
    status = machine.run("attendance update status")
    assert "Slot A" in status and "older than 2024-05-13" in status, status


def fixed_address_is_used(site: Site) -> None:
    """Settings with a fixed address on the card: no DHCP, and the page answers there."""
    machine = site.machine
    machine.power_cut()
    machine.firmware = eeprom.NEW
    eeprom.write(machine.card, 1, "attendance.toml", site.settings() + FIXED_ADDRESS)
    site.start()
    wanted = ("/run/systemd/network/40-attendance.network", "10.0.2.15", "10.0.2.2")

    def configured() -> str | None:
        text = machine.run("networkctl status --all --no-pager")
        return text if all(part in text for part in wanted) else None

    # The interface comes some seconds after the start.
    told = wait_for(configured, "the fixed address")
    assert "DHCPv4 via" not in told, told
    assert "10.0.2.3" in machine.run("resolvectl dns")
    wait_for(lambda: machine.run("systemctl is-active attendance.service", check=False)[1] == "active", "the service")


def network_is_changed_without_a_restart(site: Site) -> None:
    """The helper that writes the page's settings puts another network in force on the running machine, under
    its sandbox: a second address, a log-in by 802.1X, and the network before again."""
    machine = site.machine
    file = "/etc/attendance/attendance.toml"
    before = base64.b64decode(machine.run(f"base64 -w0 {file}")).decode()
    more = before.replace('"10.0.2.15/24"', '"10.0.2.15/24", "10.0.2.16/24"')
    assert more != before, before

    def change(base: str, text: str) -> None:
        request = json.dumps({"base": hashlib.sha256(base.encode()).hexdigest(), "text": text}).encode()
        place = "/var/lib/attendance/settings/request.json"
        machine.run(f"echo {base64.b64encode(request).decode()} | base64 -d > {place}.new && mv {place}.new {place}")

    def has_second() -> bool:
        return "10.0.2.16" in machine.run("hostname --all-ip-addresses")

    def log_in() -> str:
        return machine.run("journalctl -b -o cat --no-pager -u attendance-8021x")

    change(before, more)
    wait_for(has_second, "the second address")
    change(more, before + LOG_IN)
    wait_for(lambda: not has_second(), "one address")
    # The group address to which a switch listens: nobody answers there.
    wait_for(lambda: "Associated with 01:80:c2:00:00:03" in log_in(), "wpa_supplicant at the cable")
    change(before + LOG_IN, before)
    wait_for(lambda: machine.run("systemctl is-active attendance-8021x", check=False)[1] == "inactive", "no log-in any more")
    said = machine.run("cat /run/attendance-settings/answer.json")
    assert '"refused":null' in said, said
    assert "10.0.2.15" in machine.run("hostname --all-ip-addresses")


def read_only_data_partition_causes_a_restart(site: Site) -> None:
    """An error made the data partition read-only: one restart, which repairs it, and settings and identity
    are there again."""
    machine = site.machine
    before = machine.run("cat /etc/machine-id")
    refused, _ = machine.run(
        "systemctl start attendance-data.service; journalctl -b -o cat -u attendance-data.service | grep restarting", check=False
    )
    assert refused, "it restarts a machine that is well"
    # What the kernel does after an error, to every file system.
    machine.run("sync; echo u > /proc/sysrq-trigger; sleep 2; systemctl start --no-block attendance-data.service")
    machine.wait_for_restart(180)
    site.start()
    assert " /data ext4 rw" in machine.run("cat /proc/mounts")
    assert "Emulated door" in machine.run("cat /etc/attendance/attendance.toml")
    assert machine.run("cat /etc/machine-id") == before


def corrupted_data_partition_is_survived(site: Site) -> None:
    """The beginning of the file system is overwritten with garbage: the next start says so, and works."""
    machine = site.machine
    machine.power_cut()
    first, length = eeprom.partitions(machine.card)[6]
    with open(machine.card, "r+b") as card:
        for offset in (0, 1 << 20, 40 << 20, length // 2):
            card.seek(first + offset)
            card.write(bytes([0xA5, 0x3C]) * (512 << 10))
    site.start()
    assert "data partition" in "\n".join(machine.log) or "e2fsck" in "\n".join(machine.log), "nothing on the console about the damage"
    assert machine.run("findmnt -no FSTYPE /data") == "ext4"
    machine.run("echo kept > /var/lib/attendance/written; sync")
    assert machine.run("systemctl is-active systemd-journald nftables systemd-networkd").split() == ["active"] * 3


def a_factory_reset_erases_everything(site: Site) -> None:
    """Asked for by its words: one restart, and the device is as freshly flashed."""
    machine = site.machine
    marks = "/data/marker /var/lib/attendance/written"
    machine.run(f"touch {marks} && sync")
    identity = machine.run("cat /etc/machine-id")
    words = re.search(r"To erase everything: (attendance factory-reset .+)", machine.run("attendance factory-reset"))[1]
    machine.run(words)
    machine.wait_for_restart(180)
    site.start()
    assert machine.run(f"ls {marks} 2> /dev/null | wc -l") == "0"
    assert machine.run("cat /etc/machine-id") != identity
    assert machine.run("findmnt -no FSTYPE /data") == "ext4"


def verity_refuses_a_flipped_bit(site: Site) -> None:
    """One bit of the root changed: the initramfs says so, finds nothing in the other slot, and restarts after
    a pause; nothing of a changed system runs."""
    machine = site.machine
    machine.power_cut()
    eeprom.flip_bit(machine.card, 4)
    machine.power_on()
    machine.wait_for_console(r"initramfs: FAILED: cannot mount")
    machine.wait_for_console(r"initramfs: the other slot holds no whole system")
    machine.wait_for_console(r"initramfs: restarting in 60 seconds")
    machine.wait_for_restart(180)
    assert not machine.tryboot, "it asks for a slot that holds nothing"


CHECKS = [
    first_start_without_settings,
    root_is_read_only,
    nothing_waits_for_the_network,
    settings_are_taken_over,
    state_of_the_first_boot_is_there,
    only_the_list_reaches_etc,
    page_has_the_fingerprint_of_the_card,
    a_row_is_delivered,
    an_erased_student_is_named_nowhere,
    libcamera_captures,
    service_may_request_a_reboot,
    wrong_settings_change_nothing,
    old_eeprom_starts_and_is_named,
    fixed_address_is_used,
    network_is_changed_without_a_restart,
    read_only_data_partition_causes_a_restart,
    corrupted_data_partition_is_survived,
    a_factory_reset_erases_everything,
    verity_refuses_a_flipped_bit,
]


def free_port() -> int:
    """A free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def attempt(action: Callable[[], T]) -> T | None:
    """The action's answer, or None while the other side is not ready."""
    try:
        return action()
    except (OSError, AssertionError):
        return None


def wait_for(condition: Callable[[], T], what: str, seconds: float = 300) -> T:
    """The first true answer of `condition`; AssertionError if it does not come."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(2)
    return answer
