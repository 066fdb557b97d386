# Raspberry Pi's kernel passes trial boots on to the firmware, so rpi-tryboot is for Debian's kernel alone. Nor are its camera drivers and
# overlays needed: this kernel has its own.
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}/linux-raspberrypi:"
SRC_URI:append:appliance = " file://attendance.cfg"
