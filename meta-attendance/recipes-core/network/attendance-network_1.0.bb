SUMMARY = "Addresses by DHCP on cable and Wi-Fi, found by name"
DESCRIPTION = "Settings of systemd-networkd, systemd-resolved and iwd."
SECTION = "net"
RDEPENDS:${PN} = "iwd systemd systemd-networkd wireless-regdb-static"

inherit attendance_files
