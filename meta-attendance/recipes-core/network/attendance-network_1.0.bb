SUMMARY = "Addresses by DHCP on cable and Wi-Fi, found by name; 802.1X by cable"
DESCRIPTION = "Settings of systemd-networkd, systemd-resolved and iwd, and the units of 802.1X by wpa_supplicant."
SECTION = "net"
RDEPENDS:${PN} = "bash iwd systemd systemd-networkd wireless-regdb-static wpa-supplicant"

inherit attendance_files
