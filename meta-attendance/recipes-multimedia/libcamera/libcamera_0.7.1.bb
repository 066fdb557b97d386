# The version that the appliance's binding is made for; wrynose has an older one.
SUMMARY = "Linux libcamera framework"
DESCRIPTION = "Cameras of Linux systems, with Raspberry Pi 5's image signal processor. What is not stated here stands in meta-multimedia's recipe."
SECTION = "libs"
LICENSE = "GPL-2.0-or-later & LGPL-2.1-or-later"
CVE_PRODUCT = "libcamera"

# A check without that layer does not find it.
# nooelint: oelint.file.requirenotfound
require recipes-multimedia/libcamera/libcamera_0.6.0.bb

# The patch is part of this version.
SRC_URI:remove = "file://0001-libcamera-Do-not-assume-libc-with-clang.patch"
SRCREV = "183e37362f57ff3ce7493abf0bc6f1b57b931f55"

# These options became features in 0.7.
EXTRA_OEMESON:remove = "-Dv4l2=true"
EXTRA_OEMESON += "-Dv4l2=enabled -Drpi-awb-nn=disabled -Dsoftisp-gpu=disabled -Dandroid=disabled"

# For this distribution alone: a layer's priority counts more than DEFAULT_PREFERENCE, so that any other one
# would take this version, too.
inherit features_check
REQUIRED_DISTRO_FEATURES = "attendance"
