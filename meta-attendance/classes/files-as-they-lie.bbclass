# Installs a recipe's folder files/ into the root file system as it lies there.
FILESEXTRAPATHS:prepend := "${THISDIR}:"
SRC_URI = "file://files"
S = "${WORKDIR}/files"
INHIBIT_DEFAULT_DEPS = "1"
inherit allarch

do_install() {
    cp -r --no-preserve=ownership ${WORKDIR}/files/. ${D}/
}

FILES:${PN} = "/"
