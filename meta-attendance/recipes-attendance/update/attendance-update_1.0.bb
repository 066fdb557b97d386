SUMMARY = "Health check after updates, updates from USB sticks, the end of a trial, and a bound for restarts"
DESCRIPTION = "Units around the program's updater: it decides whether a new system stays."
SECTION = "base"
RDEPENDS:${PN} = "attendance bash rauc rauc-service"

inherit attendance_files
