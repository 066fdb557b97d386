SUMMARY = "Health check after updates, sticks, the end of a trial, a bound for restarts"
DESCRIPTION = "Units around the program's updater: it decides whether a new system stays, and how often the service may have the machine restarted."
SECTION = "base"
RDEPENDS:${PN} = "attendance bash rauc rauc-service"

inherit attendance_files
