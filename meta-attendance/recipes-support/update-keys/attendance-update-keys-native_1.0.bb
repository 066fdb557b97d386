SUMMARY = "Whose updates a device takes"
DESCRIPTION = "The keyring of the site's own authority, or of a development authority that is made once for this build folder and marked so."
SECTION = "base"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"
CVE_PRODUCT = "attendance"
DEPENDS = "openssl-native"
# The keys are made, or the site's own.
SRC_URI = ""

inherit attendance_update_keys
inherit_defer native

S = "${UNPACKDIR}"
INHIBIT_DEFAULT_DEPS = "1"

# The authority is this build folder's own: its keyring must not come from another one's cache.
SSTATE_SKIP_CREATION = "1"

do_configure[noexec] = "1"

do_compile() {
    attendance_prepare_keys
}
do_compile[lockfiles] += "${TMPDIR}/attendance-update-keys.lock"
do_compile[file-checksums] += "${ATTENDANCE_SIGNING_KEYRING}:False ${ATTENDANCE_SIGNING_CERT}:False"

do_install() {
    install -D -m 0644 ${ATTENDANCE_SIGNING_KEYRING} ${D}${datadir}/attendance-update-keys/keyring.pem
}
