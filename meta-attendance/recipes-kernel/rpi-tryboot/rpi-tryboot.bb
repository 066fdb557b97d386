SUMMARY = "Passes a trial boot's flag on to the Raspberry Pi's firmware"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://rpi-tryboot.c;beginline=1;endline=1;md5=50d2ba0afecd20f74c12a4bdbcfcfe61"
SRC_URI = "file://rpi-tryboot.c"
S = "${WORKDIR}"
inherit module

do_configure:prepend() {
    echo 'obj-m := rpi-tryboot.o' > ${S}/Makefile
}
