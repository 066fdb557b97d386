# Signing keys: those of ATTENDANCE_UPDATE_KEYRING, _CERT and _KEY, or a development authority in ATTENDANCE_DEVELOPMENT_KEYS.
ATTENDANCE_DEVELOPMENT_KEYS ?= "${TOPDIR}/attendance-development-keys"
ATTENDANCE_UPDATE_KEYRING ??= ""
ATTENDANCE_UPDATE_CERT ??= ""
ATTENDANCE_UPDATE_KEY ??= ""
ATTENDANCE_SIGNING_KEYRING = "${@d.getVar('ATTENDANCE_UPDATE_KEYRING') or d.expand('${ATTENDANCE_DEVELOPMENT_KEYS}/keyring.pem')}"
ATTENDANCE_SIGNING_CERT = "${@d.getVar('ATTENDANCE_UPDATE_CERT') or d.expand('${ATTENDANCE_DEVELOPMENT_KEYS}/cert.pem')}"
ATTENDANCE_SIGNING_KEY = "${@d.getVar('ATTENDANCE_UPDATE_KEY') or d.expand('${ATTENDANCE_DEVELOPMENT_KEYS}/key.pem')}"

# As image/steps/keys does it: from long ago, and no end in sight, because a board from a drawer must take a bundle, whatever its clock says.
attendance_prepare_keys() {
    folder=${ATTENDANCE_DEVELOPMENT_KEYS}
    if [ -z "${ATTENDANCE_UPDATE_KEY}" ] && [ ! -e $folder/.complete ]; then
        bbnote "making a development authority in $folder: whoever has it can sign for devices of this build"
        rm -rf $folder
        (umask 077; mkdir -p $folder)
        dates="-not_before 20250101000000Z -not_after 20500101000000Z"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc $dates -quiet \
            -subj "/O=DEVELOPMENT ONLY/CN=attendance updates, development authority" \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
            -keyout $folder/ca.key -out $folder/keyring.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -quiet \
            -subj "/O=DEVELOPMENT ONLY/CN=attendance updates, development signer" -keyout $folder/key.pem -out $folder/request.pem
        printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature extendedKeyUsage=critical,codeSigning > $folder/extensions
        openssl x509 -req -in $folder/request.pem -CA $folder/keyring.pem -CAkey $folder/ca.key $dates -out $folder/cert.pem -extfile $folder/extensions
        touch $folder/.complete
    fi
    openssl storeutl -noout -text -certs ${ATTENDANCE_SIGNING_KEYRING} > ${B}/keyring.txt \
        || bbfatal "${ATTENDANCE_SIGNING_KEYRING} holds no certificates in PEM form: set ATTENDANCE_UPDATE_KEYRING to the authorities whose updates are taken"
    if [ "${ATTENDANCE_PRODUCTION}" = 1 ] && grep -q 'DEVELOPMENT ONLY' ${B}/keyring.txt; then
        bbfatal "the keyring holds a development authority: set ATTENDANCE_UPDATE_KEYRING, _CERT and _KEY to your own, or ATTENDANCE_PRODUCTION to 0"
    fi
}
