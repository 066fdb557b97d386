SUMMARY = "Checks and converts the weight files of the appliance's models"
DESCRIPTION = "The project's fetch_models, compiled for the machine that builds, where attendance-models runs it."
SECTION = "devel"
CVE_PRODUCT = "attendance"

require recipes-attendance/attendance/attendance-sources.inc

inherit cargo
inherit_defer native

CARGO_BUILD_FLAGS:append = " --bin fetch_models"

do_install() {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/fetch_models ${D}${bindir}/fetch_models
}
