SUMMARY = "Incoming: the page, mDNS, DHCP; SSH if the site asks for it"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"
RDEPENDS:${PN} = "nftables"
inherit files-as-they-lie
