# For cables alone, by attendance-8021x.service, as image/prune.list has it: no D-Bus, no other starter, no tools.
do_install:append:appliance() {
    rm -rf ${D}${datadir}/dbus-1 ${D}${sysconfdir} ${D}${systemd_system_unitdir}
}

CONFFILES:${PN}:appliance = ""
RRECOMMENDS:${PN}:appliance = ""
SYSTEMD_PACKAGES:appliance = ""
