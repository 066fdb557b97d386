SUMMARY = "The attendance appliance: recognises who comes and goes, and delivers every row"
DESCRIPTION = "The appliance's program with its service, sandbox and camera rules, compiled from the project's Cargo.lock."
SECTION = "base"

DEPENDS = "clang-native libcamera"

require attendance-sources.inc

inherit cargo pkgconfig attendance_files_base

# bindgen reads libcamera's headers.
export LIBCLANG_PATH = "${STAGING_LIBDIR_NATIVE}"
export BINDGEN_EXTRA_CLANG_ARGS = "${HOST_CC_ARCH}${TOOLCHAIN_OPTIONS} --target=${TARGET_SYS}"

# What ships on the card: fat LTO, one codegen unit (Cargo.toml).
BUILD_MODE = "--profile appliance"
BUILD_DIR = "appliance"
PACKAGECONFIG ??= "libcamera alsa"
PACKAGECONFIG[libcamera] = "--features libcamera"
# Tones at the door through a sound card.
PACKAGECONFIG[alsa] = "--features alsa,,alsa-lib"
# What only a laboratory needs (the default features) stays out.
CARGO_BUILD_FLAGS:append = " --no-default-features --package attendance --bin attendance"

do_install() {
    attendance_install_files
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/attendance ${D}${bindir}/attendance
    # RAUC can name a program and no word after it: by this name the program answers it.
    install -d ${D}${nonarch_libdir}/attendance
    ln -s ../../bin/attendance ${D}${nonarch_libdir}/attendance/boot-slot
    install -D -m 0644 ${S}/app/docs/command-line/completions/attendance.bash ${D}${datadir}/bash-completion/completions/attendance
    install -d ${D}${mandir}/man1
    install -m 0644 ${S}/app/docs/command-line/man/*.1 ${D}${mandir}/man1/
    install -d -m 0751 ${D}${sysconfdir}/attendance
    install -d ${D}${localstatedir}/lib/attendance
}

FILES:${PN} += "${nonarch_libdir}/attendance ${datadir}/bash-completion ${sysconfdir}/attendance ${localstatedir}/lib/attendance"
# bash and findutils: attendance-data.service, attendance-erase.service and attendance-rescued.service use them.
RDEPENDS:${PN} += "attendance-accounts bash ca-certificates findutils"
RRECOMMENDS:${PN} += "attendance-fonts attendance-models"
