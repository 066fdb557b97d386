SUMMARY = "Hardware watchdog and time limits of the system manager"
DESCRIPTION = "Settings of systemd itself: the board resets when it hangs, and a unit that does not stop holds up no restart."
SECTION = "base"
RDEPENDS:${PN} = "systemd"

inherit attendance_files
