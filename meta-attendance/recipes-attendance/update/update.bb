SUMMARY = "Health check after updates, and the updater's service"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"
RDEPENDS:${PN} = "attendance rauc"
inherit files-as-they-lie
