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
    attendance-clevis \
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
    cryptsetup \
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
    systemd-crypt \
    util-linux-agetty \
    util-linux-mount \
    wireless-regdb-static \
"

# Addresses come from systemd-networkd; no MIME types, no names for the log.
BAD_RECOMMENDATIONS += "busybox-udhcpc systemd-mime udev-hwdb"

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

# As image/steps/gate asks: nothing is made of a root in which a preset names a unit that is not there, a unit
# of ours starts a program that is not there, root has a password, or the program's files are missing.
attendance_gate() {
    root=${IMAGE_ROOTFS}
    units=$root${systemd_system_unitdir}
    for unit in $(sed -n 's/^enable //p' $root${nonarch_libdir}/systemd/system-preset/00-attendance.preset); do
        [ -e $units/$unit ] || bbfatal "the preset enables $unit, which is not in the image"
    done
    for program in $(sed -n 's/^Exec[A-Za-z]*=[-@:+!|]*\(\/[^ ]*\).*/\1/p' $units/attendance*.service | sort -u); do
        [ -e $root$program ] || [ -L $root$program ] || bbfatal "a unit starts $program, which is not in the image"
    done
    for program in attendance rauc nft dropbear; do
        [ -e $root${bindir}/$program ] || [ -e $root${sbindir}/$program ] || bbfatal "$program is not in the image"
    done
    # What an encrypted card asks for (card.sh and key.sh of the initramfs): without one of them a start would stay.
    for program in ${sbindir}/cryptsetup ${bindir}/systemd-cryptenroll ${bindir}/clevis ${bindir}/jose \
        ${libdir}/cryptsetup/libcryptsetup-token-systemd-tpm2.so ${libdir}/libtss2-tcti-device.so.0; do
        [ -e $root$program ] || [ -L $root$program ] || bbfatal "$program is not in the image: it could not open an encrypted card"
    done
    for file in attendance/models/detector-yunet-320.safetensors fonts/truetype/dejavu/DejaVuSans-Bold.ttf \
        fonts/truetype/lohit-devanagari/Lohit-Devanagari.ttf; do
        [ -e $root${datadir}/$file ] || bbfatal "${datadir}/$file is not in the image"
    done
    grep -q '^root:[*!]' $root${sysconfdir}/shadow || bbfatal "root has a password in the image"
    for unit in volatile-binds systemd-serialgetty; do
        [ -z "$(find $root${sysconfdir}/systemd/system -name "*$unit*")" ] || bbfatal "$unit is switched on in the image"
    done
}
ROOTFS_POSTPROCESS_COMMAND:append = " attendance_finish attendance_gate"
