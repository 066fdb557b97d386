SUMMARY = "The two fonts of the screen at the door"
# The program takes these two files by their SHA-256 and no other, so that the screen is the same everywhere.
# meta-oe's ttf-dejavu and ttf-lohit make other files of the same fonts, and want fontforge and fontconfig.
DESCRIPTION = "DejaVu Sans Bold and Lohit Devanagari, the very files of scripts/build-image's image: Debian's packages, pinned by root.lock."
SECTION = "fonts"
LICENSE = "Bitstream-Vera & OFL-1.1"
LIC_FILES_CHKSUM = "\
    file://fonts-dejavu-core/usr/share/doc/fonts-dejavu-core/copyright;md5=425865e1c534c5788b1341d401f131d9 \
    file://fonts-lohit-deva/usr/share/doc/fonts-lohit-deva/copyright;md5=ca604dfa102fc8a9ce141c85eccd44de \
"
CVE_PRODUCT = ""

inherit allarch

INHIBIT_DEFAULT_DEPS = "1"
S = "${UNPACKDIR}"

require attendance-fonts-files.inc

python __anonymous() {
    path = os.path.join(os.path.dirname(d.getVar("FILE")), "attendance-fonts-files.inc")
    attendance.pins.check(d, attendance.pins.FONTS_LOCK, path)
}

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    fonts=${D}${datadir}/fonts/truetype
    install -D -m 0644 -t $fonts/dejavu ${S}/fonts-dejavu-core/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf
    install -D -m 0644 -t $fonts/lohit-devanagari ${S}/fonts-lohit-deva/usr/share/fonts/truetype/lohit-devanagari/Lohit-Devanagari.ttf
}

FILES:${PN} += "${datadir}/fonts/truetype"
