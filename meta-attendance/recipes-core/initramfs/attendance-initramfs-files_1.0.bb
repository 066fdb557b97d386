SUMMARY = "What the appliance's initramfs does"
DESCRIPTION = "The init script with those of the data partition, of /etc and of the other slot, and the program that restarts into the other slot."
SECTION = "base"
LICENSE = "MIT"
CVE_PRODUCT = "attendance"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

# The very files that scripts/build-image takes.
FILESEXTRAPATHS:prepend := "${THISDIR}:"
SRC_URI = "\
    file://init \
    file://data.sh \
    file://etc.sh \
    file://rescue.sh \
    file://other.sh \
    file://slot.sh \
    file://card.sh \
    file://key.sh \
    file://move.sh \
    file://curl \
    file://dhcp \
    file://modules \
    file://restart.c \
"
S = "${UNPACKDIR}"

do_compile() {
    ${CC} ${CFLAGS} ${LDFLAGS} -Wall -Werror -o ${B}/restart ${S}/restart.c
}

do_install() {
    install -d ${D}/dev ${D}/proc ${D}/sys ${D}/run ${D}/root
    install -m 0755 ${S}/init ${D}/init
    install -m 0755 ${S}/curl ${S}/dhcp ${D}/
    install -m 0644 ${S}/card.sh ${S}/key.sh ${S}/move.sh ${D}/
    install -m 0644 ${S}/data.sh ${S}/etc.sh ${S}/rescue.sh ${S}/other.sh ${S}/slot.sh ${D}/
    sed -e 's/#.*//' -e '/^$/d' ${S}/modules > ${D}/modules
    install -D -m 0755 ${B}/restart ${D}${bindir}/restart
}

FILES:${PN} += "/init /data.sh /etc.sh /rescue.sh /other.sh /slot.sh /card.sh /key.sh /move.sh /curl /dhcp /modules /dev /proc /sys /run /root ${bindir}/restart"
# Busybox for the scripts; the programs of the file `programs` beside this recipe, and blockdev, which busybox leaves out.
RDEPENDS:${PN} = "\
    busybox \
    dosfstools \
    e2fsprogs \
    e2fsprogs-e2fsck \
    e2fsprogs-mke2fs \
    e2fsprogs-resize2fs \
    libdevmapper \
    util-linux-blkid \
    util-linux-blockdev \
    util-linux-sfdisk \
"
