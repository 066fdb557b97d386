# systemd's recipe asks for it by this name and these packages; none of the layers that this one depends on has it.
SUMMARY = "Software stack for a TPM 2.0"
DESCRIPTION = "What systemd asks a TPM with: the way to the kernel's device alone. No account and no rules of udev: only root asks, at the start."
SECTION = "libs"
LICENSE = "BSD-2-Clause"
CVE_PRODUCT = "tpm2_software_stack"
LIC_FILES_CHKSUM = "file://LICENSE;md5=500b2e742befc3da00684d8a1d5fd9da"
DEPENDS = "autoconf-archive-native openssl"

# The version of image/lock/root.lock.
SRC_URI = "https://github.com/tpm2-software/tpm2-tss/releases/download/${PV}/${BP}.tar.gz"
SRC_URI[sha256sum] = "37f1580200ab78305d1fc872d89241aaee0c93cbe85bc559bf332737a60d3be8"

# For this distribution alone: another one may take that of meta-security.
inherit autotools pkgconfig features_check
REQUIRED_DISTRO_FEATURES = "attendance"

EXTRA_OECONF = "\
    --disable-doxygen-doc \
    --disable-fapi \
    --disable-policy \
    --disable-tcti-cmd \
    --disable-tcti-i2c-ftdi \
    --disable-tcti-i2c-helper \
    --disable-tcti-libtpms \
    --disable-tcti-mssim \
    --disable-tcti-pcap \
    --disable-tcti-spi-ftdi \
    --disable-tcti-spi-helper \
    --disable-tcti-spi-ltt2go \
    --disable-tcti-spidev \
    --disable-tcti-swtpm \
    --with-crypto=ossl \
    --with-sysusersdir=no \
    --with-tmpfilesdir=no \
    --with-udevrulesdir=${nonarch_libdir}/udev/rules.d \
"
# Otherwise it looks for programs that make an account.
CACHED_CONFIGUREVARS = "ac_cv_prog_systemd_sysusers=yes"

do_install:append() {
    rm -r ${D}${nonarch_libdir}/udev
    rmdir --ignore-fail-on-non-empty ${D}${nonarch_libdir}
    # Folders of what is left out.
    rm -rf ${D}${localstatedir} ${D}${sysconfdir} ${D}/run
}

PACKAGES =+ "libtss2-tcti-device libtss2"
FILES:libtss2-tcti-device += "${libdir}/libtss2-tcti-device.so.*"
FILES:libtss2 += "${libdir}/libtss2-*.so.*"
ALLOW_EMPTY:${PN} = "1"
