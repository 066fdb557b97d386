# Slots, and whose updates are taken (attendance-update-keys-native).
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}/files/usr/lib/rauc:"
RAUC_KEYRING_URI:appliance = ""
DEPENDS:append:appliance = " attendance-update-keys-native"

do_install:appliance() {
    install -d ${D}${nonarch_libdir}/rauc
    # A system refuses bundles older than itself.
    sed "s/@RELEASE@/${DISTRO_VERSION}/" ${UNPACKDIR}/system.conf > ${D}${nonarch_libdir}/rauc/system.conf
    chmod 0644 ${D}${nonarch_libdir}/rauc/system.conf
    install -m 0644 ${STAGING_DATADIR_NATIVE}/attendance-update-keys/keyring.pem ${D}${nonarch_libdir}/rauc/keyring.pem
}
