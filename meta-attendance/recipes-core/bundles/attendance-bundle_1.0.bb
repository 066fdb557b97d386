SUMMARY = "Update bundle: boot slot and root image of one version, signed"
DESCRIPTION = "A RAUC bundle in verity format with a block hash index: an installation over the network fetches what the device has not got."
SECTION = "base"
LICENSE = "MIT"
CVE_PRODUCT = "attendance"
# The slots' images are another recipe's.
SRC_URI = ""

inherit bundle attendance_update_keys image-artifact-names features_check

REQUIRED_DISTRO_FEATURES = "attendance rauc"
COMPATIBLE_MACHINE = "^raspberrypi5$"
# The version follows the commit that is checked out, as the image's does.
BB_DONT_CACHE = "1"

RAUC_BUNDLE_COMPATIBLE = "attendance-rpi5"
RAUC_BUNDLE_VERSION = "${ATTENDANCE_IMAGE_VERSION}"
RAUC_BUNDLE_BUILD = "${ATTENDANCE_COMMIT}"
RAUC_BUNDLE_FORMAT = "verity"
RAUC_BUNDLE_SLOTS = "root boot"
RAUC_SLOT_root = "attendance-image"
RAUC_SLOT_root[file] = "attendance-image-${MACHINE}.rootfs.rootslot"
RAUC_SLOT_root[rename] = "root.img"
RAUC_SLOT_root[adaptive] = "block-hash-index"
RAUC_SLOT_boot = "attendance-image"
RAUC_SLOT_boot[file] = "attendance-image-${MACHINE}.rootfs.bootslot-used"
RAUC_SLOT_boot[rename] = "boot.img"
RAUC_SLOT_boot[adaptive] = "block-hash-index"

RAUC_KEYRING_FILE = "${ATTENDANCE_SIGNING_KEYRING}"
RAUC_CERT_FILE = "${ATTENDANCE_SIGNING_CERT}"
RAUC_KEY_FILE = "${ATTENDANCE_SIGNING_KEY}"
BUNDLE_ARGS += '--confopt=keyring:check-purpose=codesign --keyring=${RAUC_KEYRING_FILE}'
BUNDLE_ARGS += '--mksquashfs-args="-comp zstd -Xcompression-level 15 -b 64K -all-root -no-xattrs"'
BUNDLE_BASENAME = "attendance-rpi5"

do_bundle[depends] += "attendance-update-keys-native:do_populate_sysroot"
