SUMMARY = "Keys that a Tang server gives"
DESCRIPTION = "Of clevis what the initramfs starts (key.sh): four scripts. The rest asks for LUKS1, udisks and initramfs generators."
SECTION = "base"
LICENSE = "GPL-3.0-or-later"
CVE_PRODUCT = "clevis"
LIC_FILES_CHKSUM = "file://COPYING;md5=d32239bcb673463ab874e80d47fae504"
# The version of image/lock/root.lock.
SRC_URI = "git://github.com/latchset/clevis.git;protocol=https;branch=master;tag=v${PV}"
SRCREV = "52c2b24eea20722bf5144045162dfa65cc20f68b"
# curl is the initramfs' own.
RDEPENDS:${PN} = "attendance-jose bash"

inherit allarch

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -d ${D}${bindir}
    install -m 0755 ${S}/src/clevis ${S}/src/clevis-decrypt ${D}${bindir}/
    install -m 0755 ${S}/src/pins/tang/clevis-encrypt-tang ${S}/src/pins/tang/clevis-decrypt-tang ${D}${bindir}/
}
