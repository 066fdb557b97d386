SUMMARY = "Takes over the site's files from the card and reports back"
DESCRIPTION = "Units that read the card's first partition at a start and write the appliance's address to it."
SECTION = "base"
# hostname of net-tools: the status file names the addresses by `hostname --all-ip-addresses`, which busybox has not.
RDEPENDS:${PN} = "attendance net-tools"

inherit attendance_files
