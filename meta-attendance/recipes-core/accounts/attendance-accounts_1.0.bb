SUMMARY = "Accounts with fixed numbers"
DESCRIPTION = "Every account that owns files on the data partition has the same number in each version, so that an update finds its files."
SECTION = "base"

inherit attendance_files useradd

# The numbers stand in files/attendance-passwd and -group, for all recipes; in sysusers.d they are the same (scripts/check-layer compares).
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system --gid 800 attendance"
USERADD_PARAM:${PN} = "--system --uid 800 -g attendance -G video -d ${localstatedir}/lib/attendance -M -s ${sbindir}/nologin attendance"
RDEPENDS:${PN} += "base-passwd"
