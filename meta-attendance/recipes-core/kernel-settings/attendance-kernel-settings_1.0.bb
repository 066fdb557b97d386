SUMMARY = "Kernel settings for an unattended machine"
DESCRIPTION = "A panic restarts the machine, and what an intruder would like is switched off."
SECTION = "base"
RDEPENDS:${PN} = "systemd"

inherit attendance_files
