# Says at the start of a build, in one sentence each, what would make it fail or mislead later.

ATTENDANCE_DEVELOPMENT_KEYS ?= "${TOPDIR}/attendance-development-keys"

def attendance_key_complaints(d):
    """What is wrong with the three variables of the signing keys."""
    names = ["ATTENDANCE_UPDATE_KEYRING", "ATTENDANCE_UPDATE_CERT", "ATTENDANCE_UPDATE_KEY"]
    values = {name: d.getVar(name) or "" for name in names}
    unset = [name for name in names if not values[name]]
    if len(unset) == len(names):
        if bb.utils.to_boolean(d.getVar("ATTENDANCE_PRODUCTION")):
            return ["ATTENDANCE_PRODUCTION wants signing keys of your own: set %s in local.conf to PEM files." % ", ".join(names)]
        return []
    if unset:
        return ["not set: %s. Set all of %s, or none for a development authority." % (", ".join(unset), ", ".join(names))]
    complaints = []
    for name in names:
        # The key may be a PKCS#11 address, which is not a file.
        if not values[name].startswith("pkcs11:") and not os.path.isfile(values[name]):
            complaints.append("%s names %s, which is not a file: correct it in local.conf." % (name, values[name]))
    return complaints

addhandler attendance_sanity_handler
attendance_sanity_handler[eventmask] = "bb.event.SanityCheck"
python attendance_sanity_handler () {
    d = e.data
    complaints = attendance_key_complaints(d)
    try:
        attendance.project.stated_version(attendance.project.source(d))
    except ValueError as error:
        bb.fatal("meta-attendance: %s." % error)
    production = bb.utils.to_boolean(d.getVar("ATTENDANCE_PRODUCTION"))
    commit = d.getVar("ATTENDANCE_COMMIT") or ""
    if commit == "unknown":
        text = "git cannot say which commit %s is: if it belongs to another user, run git config --global --add safe.directory" % attendance.project.source(d)
        if production:
            complaints.append(text + ".")
        else:
            bb.warn("meta-attendance: %s; the image is named unknown." % text)
    elif production and commit.endswith("-dirty"):
        complaints.append("ATTENDANCE_PRODUCTION builds what is committed; git status shows what is not.")
    if complaints:
        bb.fatal("\n".join("meta-attendance: " + text for text in complaints))
}
