SUMMARY = "Which units run"
DESCRIPTION = "A preset that names every unit that runs; all others are off. The image applies it as a whole."
SECTION = "base"
RDEPENDS:${PN} = "systemd"

inherit attendance_files
