SUMMARY = "The appliance's initramfs"
# The drivers that it needs are built into the kernel (linux-raspberrypi's attendance.cfg), but for the one that would take lines of the header
# from every site.
DESCRIPTION = "Finds the slot that was started, opens its root under dm-verity, repairs and mounts the data partition."
SECTION = "base"
LICENSE = "MIT"
CVE_PRODUCT = "attendance"

PACKAGE_INSTALL = "attendance-initramfs-files attendance-tpm-header ${ROOTFS_BOOTSTRAP_INSTALL}"
PACKAGE_EXCLUDE = "kernel-image-*"
IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_NAME_SUFFIX = ""
IMAGE_FSTYPES = "cpio.zst"
IMAGE_ROOTFS_SIZE = "8192"
IMAGE_ROOTFS_EXTRA_SPACE = "0"

inherit image features_check

REQUIRED_DISTRO_FEATURES = "attendance usrmerge"

# The script looks in /bin alone.
attendance_one_folder() {
    for program in ${IMAGE_ROOTFS}${sbindir}/*; do
        name=$(basename $program)
        [ -e ${IMAGE_ROOTFS}${bindir}/$name ] || [ -L ${IMAGE_ROOTFS}${bindir}/$name ] || ln -s ../sbin/$name ${IMAGE_ROOTFS}${bindir}/$name
    done
    for program in blkid blockdev dmsetup e2fsck e2undo mke2fs resize2fs sfdisk fsck.vfat modprobe reboot switch_root restart; do
        [ -e ${IMAGE_ROOTFS}${bindir}/$program ] || [ -L ${IMAGE_ROOTFS}${bindir}/$program ] || bbfatal "$program is not in the initramfs"
    done
}
ROOTFS_POSTPROCESS_COMMAND += "attendance_one_folder"
