SUMMARY = "JSON objects, signed and encrypted (JOSE)"
DESCRIPTION = "The library and the program with which clevis computes the key of a card that a Tang server opens."
SECTION = "libs"
LICENSE = "Apache-2.0"
CVE_PRODUCT = "latchset:jose"
LIC_FILES_CHKSUM = "file://COPYING;md5=34400b68072d710fecd0a2940a0d1658"
DEPENDS = "jansson openssl zlib"

# The version of image/lock/root.lock.
SRC_URI = "https://github.com/latchset/jose/releases/download/v${PV}/jose-${PV}.tar.xz"
SRC_URI[sha256sum] = "cee329ef9fce97c4c025604a8d237092f619aaa9f6d35fdf9d8c9052bc1ff95b"
S = "${UNPACKDIR}/jose-${PV}"

inherit meson pkgconfig

EXTRA_OEMESON = "-Ddocs=disabled -Dwerror=false"

do_install:append() {
    # BitBake keeps licences in its own place.
    rm -r ${D}${datadir}/licenses
    rmdir --ignore-fail-on-non-empty ${D}${datadir}
}
