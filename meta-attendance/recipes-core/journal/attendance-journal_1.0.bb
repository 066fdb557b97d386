SUMMARY = "A persistent journal within bounds"
DESCRIPTION = "Settings of systemd-journald: days of history that neither fill nor wear out the card."
SECTION = "base"
RDEPENDS:${PN} = "systemd"

inherit attendance_files
