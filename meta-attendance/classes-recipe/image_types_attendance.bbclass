# Three image types, each made from the one before, as image/steps/disk makes them for scripts/build-image:
#
#   rootslot   EROFS with its dm-verity hash tree in the same file; what an update writes into root_a or root_b
#   bootslot   the boot slot's FAT: kernel, initramfs, device trees, command line with the root hash; boot_a or boot_b
#   card   the disk image with the partitions of image/partitions.sfdisk
#
# Identities and the salt follow from the version, so that two versions differ and two builds of one do not.
inherit image-artifact-names kernel-artifact-names

IMAGE_TYPES += "rootslot bootslot card"
IMAGE_TYPEDEP:bootslot = "rootslot"
IMAGE_TYPEDEP:card = "rootslot bootslot"

# Everything dated bears the commit's date (conf/distro/include/attendance.inc).
ATTENDANCE_IMAGE_VERSION ??= "${DISTRO_VERSION}"
ATTENDANCE_EPOCH ??= "1735689600"
ATTENDANCE_TABLE ?= "${ATTENDANCE_SOURCE}/image/partitions.sfdisk"
ATTENDANCE_USED ?= "${ATTENDANCE_SOURCE}/image/steps/used"
ATTENDANCE_INITRAMFS ?= "attendance-initramfs"
ATTENDANCE_VERITY = "${WORKDIR}/attendance.verity"

attendance_digest() {
    printf '%s %s' "$1" "${ATTENDANCE_IMAGE_VERSION}" | sha256sum | cut -c"1-$2"
}

attendance_uuid() {
    attendance_digest "$1" 32 | sed -E 's/(.{8})(.{4}).(.{3}).(.{3})(.{12})/\1-\2-4\3-8\4-\5/'
}

# attendance_number size|start NAME: of a partition, in sectors.
attendance_number() {
    sed -n "s/.*$1= *\([0-9]*\),.*name=\"$2\".*/\1/p" ${ATTENDANCE_TABLE}
}

# attendance_fat IMAGE SECTORS LABEL FOLDER [FIRST]: what is large and seldom changes goes FIRST, so that it lies in the same blocks in the
# next version, too, and an update need not fetch them.
attendance_fat() {
    rm -f "$1"
    find "$4" -exec touch --date="@${ATTENDANCE_EPOCH}" {} +
    mkfs.vfat --invariant -F 32 -s 1 -n "$3" -i "$(attendance_digest "$3" 8)" -C "$1" $(expr $2 / 2)
    (
        cd "$4"
        [ -z "$5" ] || echo "$5"
        find . -mindepth 1 -maxdepth 1 ! -name "$5" -printf '%P\n' | LC_ALL=C sort
    ) | while read -r entry; do mcopy -s -m -i "$1" "$4/$entry" "::$entry"; done
}

do_image_rootslot[depends] += "\
    cryptsetup-native:do_populate_sysroot \
    erofs-utils-native:do_populate_sysroot \
"
do_image_rootslot[file-checksums] += "${ATTENDANCE_TABLE}:True"
IMAGE_CMD:rootslot() {
    image=${IMGDEPLOYDIR}/${IMAGE_NAME}.rootslot
    mkfs.erofs --quiet -zlz4hc,9 -C65536 -Efragments,dedupe,ztailpacking -T${ATTENDANCE_EPOCH} --all-time -U$(attendance_uuid root) \
        $image ${IMAGE_ROOTFS}
    truncate --size=%4096 $image
    bytes=$(stat -c %s $image)
    blocks=$(expr $bytes / 4096)
    salt=$(attendance_digest verity 64)
    options="--no-superblock --hash-offset=$bytes --data-blocks=$blocks --salt=$salt"
    hash=$(veritysetup format $options $image $image | sed -n 's/^Root hash:[[:space:]]*//p')
    veritysetup verify $options $image $image $hash
    echo "$blocks:$salt:$hash" > ${ATTENDANCE_VERITY}
    slot=$(expr $(attendance_number size root_a) \* 512)
    bytes=$(stat -c %s $image)
    [ $bytes -le $slot ] || bbfatal "the root image has $bytes bytes, its slot $slot: take packages out of IMAGE_INSTALL"
}

# The slots of this board: what the kernel deploys, as the firmware asks for it.
def attendance_device_trees(d):
    """Device trees and overlays, as DEPLOYED:PLACE in the boot slot."""
    places = []
    for tree in (d.getVar("KERNEL_DEVICETREE") or "").split():
        name = os.path.basename(tree)
        places.append("%s:%s" % (name, "overlays/" + name if tree.startswith("overlays/") else name))
    return " ".join(places)

do_image_bootslot[depends] += "\
    attendance-boot-files:do_deploy \
    dosfstools-native:do_populate_sysroot \
    mtools-native:do_populate_sysroot \
    virtual/kernel:do_deploy \
    ${ATTENDANCE_INITRAMFS}:do_image_complete \
"
do_image_bootslot[cleandirs] += "${WORKDIR}/bootslot"
do_image_bootslot[file-checksums] += "${ATTENDANCE_TABLE}:True ${ATTENDANCE_USED}:True"
IMAGE_CMD:bootslot() {
    boot=${WORKDIR}/bootslot
    image=${IMGDEPLOYDIR}/${IMAGE_NAME}.bootslot
    mkdir -p $boot/overlays
    install -m 0644 ${DEPLOY_DIR_IMAGE}/${KERNEL_IMAGETYPE} $boot/vmlinuz
    install -m 0644 ${DEPLOY_DIR_IMAGE}/${ATTENDANCE_INITRAMFS}-${MACHINE}.cpio.zst $boot/initramfs.zst
    for place in ${@attendance_device_trees(d)}; do
        install -m 0644 "${DEPLOY_DIR_IMAGE}/${place%%:*}" "$boot/${place#*:}"
    done
    install -m 0644 ${DEPLOY_DIR_IMAGE}/attendance-boot-files/config.txt $boot/config.txt
    sed "s|@VERITY@|attendance.verity=$(cat ${ATTENDANCE_VERITY})|" ${DEPLOY_DIR_IMAGE}/attendance-boot-files/cmdline.txt > $boot/cmdline.txt
    attendance_fat $image $(attendance_number size boot_a) BOOT $boot vmlinuz
    # An update writes it without the free space at its end.
    cp --sparse=always $image ${IMGDEPLOYDIR}/${IMAGE_NAME}.bootslot-used
    truncate --size=$(python3 ${ATTENDANCE_USED} $image) ${IMGDEPLOYDIR}/${IMAGE_NAME}.bootslot-used
    ln -sf ${IMAGE_NAME}.bootslot-used ${IMGDEPLOYDIR}/${IMAGE_LINK_NAME}.bootslot-used
}

do_image_card[depends] += "\
    attendance-boot-files:do_deploy \
    dosfstools-native:do_populate_sysroot \
    mtools-native:do_populate_sysroot \
    util-linux-native:do_populate_sysroot \
"
do_image_card[cleandirs] += "${WORKDIR}/attendance-bootconfig"
do_image_card[file-checksums] += "${ATTENDANCE_TABLE}:True ${ATTENDANCE_USED}:True"
# Holes are what flashing with the .bmap leaves as it lies on the card, so only what nobody reads may be one (image/README.md, Holes).
IMAGE_CMD:card() {
    disk=${IMGDEPLOYDIR}/${IMAGE_NAME}.card
    folder=${WORKDIR}/attendance-bootconfig
    files=${DEPLOY_DIR_IMAGE}/attendance-boot-files
    # autoboot.txt fills one sector exactly: changing it later touches nothing else of the FAT.
    { cat $files/autoboot.txt; printf '#'; } > $folder/autoboot.txt
    while [ $(stat -c %s $folder/autoboot.txt) -lt 511 ]; do printf ' ' >> $folder/autoboot.txt; done
    echo >> $folder/autoboot.txt
    install -m 0644 $files/bootconfig/* $folder/
    attendance_fat ${WORKDIR}/bootconfig.vfat $(attendance_number size bootconfig) ATTENDANCE $folder

    data=$(attendance_number start data)
    end=$(expr $data + $(attendance_number size data) + 2048)
    rm -f $disk
    truncate --size=$(expr $end \* 512) $disk
    for sector in 0 $(expr $end - 2048) $(attendance_number start boot_b) $(attendance_number start root_b) $data; do
        dd if=/dev/zero of=$disk bs=512 seek=$sector count=2048 conv=notrunc status=none
    done
    sfdisk --quiet $disk < ${ATTENDANCE_TABLE}
    attendance_place bootconfig ${WORKDIR}/bootconfig.vfat $(python3 ${ATTENDANCE_USED} ${WORKDIR}/bootconfig.vfat)
    attendance_place boot_a ${IMGDEPLOYDIR}/${IMAGE_NAME}.bootslot $(python3 ${ATTENDANCE_USED} ${IMGDEPLOYDIR}/${IMAGE_NAME}.bootslot)
    attendance_place root_a ${IMGDEPLOYDIR}/${IMAGE_NAME}.rootslot $(stat -c %s ${IMGDEPLOYDIR}/${IMAGE_NAME}.rootslot)
}

# attendance_place PARTITION FILE BYTES: the beginning of FILE into that partition of the disk.
attendance_place() {
    dd if="$2" of=$disk bs=4096 seek=$(expr $(attendance_number start $1) / 8) count=$(expr $3 / 4096) conv=notrunc status=none
}
