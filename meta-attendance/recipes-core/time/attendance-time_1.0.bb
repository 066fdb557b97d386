SUMMARY = "Time synchronisation that is gentle to the card"
DESCRIPTION = "Settings of systemd-timesyncd for a board without a battery for its clock."
SECTION = "base"
RDEPENDS:${PN} = "systemd"

inherit attendance_files
