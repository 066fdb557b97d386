SUMMARY = "The attendance appliance on Raspberry Pi's own kernel"
DESCRIPTION = "A disk image for a card: read-only root (EROFS under dm-verity), two slots, and the data partition that the first start makes."
SECTION = "base"
LICENSE = "MIT"
CVE_PRODUCT = "attendance"

IMAGE_CLASSES += "image_types_attendance"
IMAGE_FSTYPES = "rootslot bootslot card.zst card.bmap"
IMAGE_FEATURES = "read-only-rootfs"
IMAGE_LINGUAS = ""

IMAGE_INSTALL = "\
    packagegroup-core-boot \
    attendance \
    attendance-accounts \
    attendance-console \
    attendance-firewall \
    attendance-fonts \
    attendance-journal \
    attendance-kernel-settings \
    attendance-models \
    attendance-network \
    attendance-presets \
    attendance-provision \
    attendance-time \
    attendance-update \
    attendance-watchdog \
    bash \
    ca-certificates \
    dbus-broker \
    dosfstools \
    dropbear \
    e2fsprogs-e2fsck \
    iwd \
    kernel-modules \
    libcamera \
    linux-firmware-bcm43455 \
    nftables \
    rauc \
    rauc-conf \
    rauc-service \
    util-linux-agetty \
    util-linux-mount \
    wireless-regdb-static \
"

# volatile-binds would lay memory over parts of /var, which lies on the data partition; consoles come from systemd; no names for the log.
BAD_RECOMMENDATIONS += "systemd-serialgetty udev-hwdb volatile-binds"

inherit core-image features_check

REQUIRED_DISTRO_FEATURES = "attendance pam rauc seccomp systemd usrmerge"
COMPATIBLE_MACHINE = "^raspberrypi5$"

# Versions and dates follow the commit that is checked out: never from the cache of an earlier one.
BB_DONT_CACHE = "1"
REPRODUCIBLE_TIMESTAMP_ROOTFS = "${ATTENDANCE_EPOCH}"

# As image/steps/root ends: what runs is what the preset names and nothing else; what the machine fills in at its first start is empty; the
# image has a name.
attendance_finish() {
    rm -rf ${IMAGE_ROOTFS}${sysconfdir}/systemd/system/*.wants ${IMAGE_ROOTFS}${sysconfdir}/systemd/system/*.requires
    find ${IMAGE_ROOTFS}${sysconfdir}/systemd/system -maxdepth 1 -type l ! -name default.target -delete
    systemctl --root=${IMAGE_ROOTFS} preset-all
    : > ${IMAGE_ROOTFS}${sysconfdir}/machine-id
    rm -f ${IMAGE_ROOTFS}${sysconfdir}/hostname ${IMAGE_ROOTFS}${sysconfdir}/timestamp
    ln -sf ../run/systemd/resolve/stub-resolv.conf ${IMAGE_ROOTFS}${sysconfdir}/resolv.conf
    printf 'IMAGE_ID=attendance-rpi5\nIMAGE_VERSION=%s\nBUILD_DATE=%s\n' "${ATTENDANCE_IMAGE_VERSION}" \
        "$(date -u -d @${ATTENDANCE_EPOCH} +%FT%TZ)" >> ${IMAGE_ROOTFS}${nonarch_libdir}/os-release
    touch --date=@${ATTENDANCE_EPOCH} ${IMAGE_ROOTFS}${nonarch_libdir}/clock-epoch
    # The settings of attendance-kernel-settings are the only ones.
    rm -f ${IMAGE_ROOTFS}${sysconfdir}/sysctl.conf ${IMAGE_ROOTFS}${sysconfdir}/sysctl.d/rpi-vm.conf
}

# As image/steps/gate asks: nothing is made of a root in which a preset names a unit that is not there, or root has a password.
attendance_gate() {
    preset=${IMAGE_ROOTFS}${nonarch_libdir}/systemd/system-preset/00-attendance.preset
    for unit in $(sed -n 's/^enable //p' $preset); do
        [ -e ${IMAGE_ROOTFS}${nonarch_libdir}/systemd/system/$unit ] || bbfatal "the preset enables $unit, which is not in the image"
    done
    grep -q '^root:[*!]' ${IMAGE_ROOTFS}${sysconfdir}/shadow || bbfatal "root has a password in the image"
    for program in attendance rauc nft dropbear; do
        [ -e ${IMAGE_ROOTFS}${bindir}/$program ] || [ -e ${IMAGE_ROOTFS}${sbindir}/$program ] || bbfatal "$program is not in the image"
    done
}
ROOTFS_POSTPROCESS_COMMAND:append = " attendance_finish attendance_gate"
