# Installs the folder files/ beside a recipe into the root file system as it lies there; scripts/build-image copies the same folder.
#
# The package holds these files, each by its name, and systemd.bbclass knows its units. Which of them run at a start is for the preset of
# attendance-presets alone, which the image applies as a whole.
inherit systemd

CVE_PRODUCT ?= "attendance"

FILESEXTRAPATHS:prepend = "${FILE_DIRNAME}:"
SRC_URI += "file://files"

def attendance_files(d):
    """The files below files/, as absolute paths of the root file system. The recipe is parsed again when the folder changes."""
    top = os.path.join(os.path.dirname(d.getVar("FILE")), "files")
    found = []
    for folder, _, names in os.walk(top):
        bb.parse.mark_dependency(d, folder)
        found += [os.path.join(folder, name)[len(top):] for name in names]
    return sorted(found)

def attendance_units(d):
    """Those of them that are units, by name. Drop-ins for units of others are none."""
    folder = "/usr/lib/systemd/system/"
    kinds = (".service", ".socket", ".timer", ".path", ".mount", ".target")
    names = [path[len(folder):] for path in attendance_files(d) if path.startswith(folder)]
    return [name for name in names if "/" not in name and name.endswith(kinds)]

attendance_install_files() {
    cp -r --no-preserve=ownership ${UNPACKDIR}/files/. ${D}/
}

ATTENDANCE_FILES := "${@' '.join(attendance_files(d))}"
ATTENDANCE_UNITS := "${@' '.join(attendance_units(d))}"
FILES:${PN} += "${ATTENDANCE_FILES}"
SYSTEMD_SERVICE:${PN} = "${ATTENDANCE_UNITS}"
SYSTEMD_PACKAGES = "${@'${PN}' if d.getVar('ATTENDANCE_UNITS') else ''}"
SYSTEMD_AUTO_ENABLE = "disable"
