SUMMARY = "Finds a TPM on the header of a Raspberry Pi 5"
DESCRIPTION = "A module of the kernel in the initramfs, which loads it only where the key of the card comes from a TPM (key.sh)."
SECTION = "kernel"
LICENSE = "GPL-2.0-only"
CVE_PRODUCT = "attendance"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/GPL-2.0-only;md5=801f80980d171dd6425610833a22dbe6"

# The very file that scripts/build-image takes.
FILESEXTRAPATHS:prepend := "${THISDIR}:"
SRC_URI = "file://tpm-header.c"
S = "${UNPACKDIR}"

inherit module

COMPATIBLE_MACHINE = "^rpi$"
EXTRA_OEMAKE += "-C ${STAGING_KERNEL_DIR} M=${S}"
MAKE_TARGETS = "modules"

do_configure() {
    echo 'obj-m := tpm-header.o' > ${S}/Kbuild
}
