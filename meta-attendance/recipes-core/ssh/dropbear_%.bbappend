# SSH by key, only if the card held keys: units of our own in place of this recipe's.
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}:"
SRC_URI:append:appliance = " file://files"

do_install:append:appliance() {
    rm -f ${D}${systemd_system_unitdir}/dropbearkey.service
    rm -rf ${D}${sysconfdir}/init.d ${D}${sysconfdir}/default
    cp -r --no-preserve=ownership ${UNPACKDIR}/files/. ${D}/
    # Where dropbear-key.service, which is Debian's image's too, has it.
    ln -s ../sbin/dropbearmulti ${D}${bindir}/dropbearkey
}

FILES:${PN}:append:appliance = " ${systemd_system_unitdir}/dropbear-key.service ${systemd_system_unitdir}/dropbear@.service"
CONFFILES:${PN}:appliance = ""
SYSTEMD_AUTO_ENABLE:appliance = "disable"
# sysvinit is not in this distribution.
INITSCRIPT_PACKAGES:appliance = ""
