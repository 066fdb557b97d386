# What the initramfs' scripts call and this series leaves out; Debian's busybox, which scripts/build-image takes, has it.
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}/busybox:"
SRC_URI:append:appliance = " file://attendance.cfg"
