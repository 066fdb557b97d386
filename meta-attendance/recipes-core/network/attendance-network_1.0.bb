SUMMARY = "Addresses by DHCP on cable and Wi-Fi, found by name; 802.1X by cable"
DESCRIPTION = "Settings of systemd-networkd, systemd-resolved and iwd, and the units of 802.1X by wpa_supplicant."
SECTION = "net"
# OpenSSL's legacy provider: MD4 and DES, which MSCHAPv2 needs.
RDEPENDS:${PN} = "bash iwd openssl-ossl-module-legacy systemd systemd-networkd wireless-regdb-static wpa-supplicant"

inherit attendance_files
