# Debian's package brings nftables.service; this recipe has none that reads /etc/nftables.conf.
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}/nftables:"
SRC_URI:append:appliance = " file://nftables.service"

inherit_defer ${@bb.utils.contains('DISTRO_FEATURES', 'attendance', 'systemd', '', d)}

do_install:append:appliance() {
    install -D -m 0644 ${UNPACKDIR}/nftables.service ${D}${systemd_system_unitdir}/nftables.service
}

SYSTEMD_SERVICE:${PN}:appliance = "nftables.service"
SYSTEMD_AUTO_ENABLE:appliance = "disable"
# No interpreter in a root file system that is replaced as a whole.
PACKAGECONFIG:appliance = "json"
