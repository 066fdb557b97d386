SUMMARY = "One console, and a power button that shuts down cleanly"
DESCRIPTION = "Settings of systemd-logind for a machine with a screen and a button."
SECTION = "base"
RDEPENDS:${PN} = "systemd"

inherit attendance_files
