# The service, who may ask it what, and the account that fetches bundles: the files that scripts/build-image copies.
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}:"
SRC_URI:append:appliance = " file://files"

inherit_defer ${@bb.utils.contains('DISTRO_FEATURES', 'attendance', 'useradd', '', d)}

do_install:append:appliance() {
    cp -r --no-preserve=ownership ${UNPACKDIR}/files/. ${D}/
    # Slots and keyring are rauc-conf's.
    rm -rf ${D}${nonarch_libdir}/rauc
}

FILES:${PN}-service:append:appliance = " ${nonarch_libdir}/modules-load.d/rauc.conf ${nonarch_libdir}/sysusers.d/00-rauc.conf"
SYSTEMD_AUTO_ENABLE:${PN}-service:appliance = "disable"
SYSTEMD_AUTO_ENABLE:${PN}-mark-good:appliance = "disable"
USERADD_PACKAGES:appliance = "${PN}-service"
USERADD_PARAM:${PN}-service:appliance = "--system --user-group --uid 806 --home-dir / --no-create-home --shell ${sbindir}/nologin rauc-streaming"

# The bus of this distribution in place of the reference daemon.
RDEPENDS:${PN}-service:remove:appliance = "dbus"
RDEPENDS:${PN}-service:append:appliance = " ${VIRTUAL-RUNTIME_dbus}"
RRECOMMENDS:${PN}-service:append:appliance = " kernel-module-nbd"
# The health check of the appliance says when a slot is good, and bundles are made on the machine that builds.
RRECOMMENDS:${PN}:remove:appliance = "${PN}-mark-good squashfs-tools"
