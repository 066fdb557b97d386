SUMMARY = "Kernel settings for a machine nobody stands beside"
DESCRIPTION = "A panic restarts the machine, and what an intruder would like is switched off."
SECTION = "base"
RDEPENDS:${PN} = "systemd"

inherit attendance_files
