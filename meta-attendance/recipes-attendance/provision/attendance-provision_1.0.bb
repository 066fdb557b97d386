SUMMARY = "Takes over the site's files from the card and reports back"
DESCRIPTION = "Units that read the card's first partition at a start and write the appliance's address to it."
SECTION = "base"
RDEPENDS:${PN} = "attendance"

inherit attendance_files
