SUMMARY = "What lies in a boot slot and on the card's first partition beside the kernel"
DESCRIPTION = "config.txt and the command line of a slot; autoboot.txt and the technician's files of the first partition."
SECTION = "bootloaders"
LICENSE = "MIT"
CVE_PRODUCT = "attendance"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

inherit deploy nopackages

# boot/ and bootconfig/ are the folders that scripts/build-image takes, too; its kernel is another, and with it config.txt.
FILESEXTRAPATHS:prepend := "${THISDIR}:"
SRC_URI = "\
    file://boot \
    file://bootconfig \
    file://raspberrypi-kernel \
"
S = "${UNPACKDIR}"

INHIBIT_DEFAULT_DEPS = "1"
COMPATIBLE_MACHINE = "^rpi$"
PACKAGE_ARCH = "${MACHINE_ARCH}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_deploy() {
    install -d ${DEPLOYDIR}/attendance-boot-files/bootconfig
    install -m 0644 ${S}/boot/cmdline.txt ${S}/boot/autoboot.txt ${S}/raspberrypi-kernel/config.txt ${DEPLOYDIR}/attendance-boot-files/
    install -m 0644 ${S}/bootconfig/* ${DEPLOYDIR}/attendance-boot-files/bootconfig/
}
addtask deploy after do_install before do_build
