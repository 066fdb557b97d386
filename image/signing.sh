# shellcheck shell=bash
# The key that signs update bundles. Sourced by scripts/build-image.
#
# It is a file (key.pem), or it lies in a token: key.uri then has its PKCS#11 address
# (pkcs11:token=…;object=…), and ATTENDANCE_PKCS11_MODULE names the library that reaches the token from this
# machine. The builder tree has neither that library nor a network: while the bundle is signed, this machine's
# p11-kit serves the token at a socket in the work folder. The PIN is ATTENDANCE_PKCS11_PIN, or is asked for.

# Removes the copies of the signing key that builds make below $CACHE. The development authority's own folder
# stays: it is not a secret worth keeping, and a production image refuses it.
drop_signing_keys() {
    stop_token
    rm -f "$CACHE"/work/keys/key.pem "$CACHE"/work-check-*/keys/key.pem
}

# take_signing_keys FOLDER: what the steps need of it, into $WORK/keys.
take_signing_keys() {
    local deb address
    cp "$1"/{keyring,cert}.pem "$WORK/keys/"
    if [ ! -e "$1/key.uri" ]; then
        cp "$1/key.pem" "$WORK/keys/"
        return
    fi
    address=$(cat "$1/key.uri")
    [ ! -e "$1/key.pem" ] || die "$1 has key.pem and key.uri: remove the one that is not meant"
    [[ $address == pkcs11:* ]] || die "$1/key.uri is no PKCS#11 address (pkcs11:token=…;object=…)"
    [[ $address != *pin-value=* ]] || die "$1/key.uri has the PIN in it: take it out, and set ATTENDANCE_PKCS11_PIN or let it be asked for"
    [ -e "${ATTENDANCE_PKCS11_MODULE:-}" ] || die "set ATTENDANCE_PKCS11_MODULE to the library that reaches the token (SoftHSM: /usr/lib/softhsm/libsofthsm2.so)"
    [ -z "${TEST_BUNDLES:-}" ] || die "--test-bundles signs with a key in a file"
    need_packages p11-kit
    cp "$1/key.uri" "$WORK/keys/"
    "$ROOT/image/packages.py" fetch "signing-$TREE_ARCHITECTURE"
    while read -r deb; do
        dpkg-deb --extract "$deb" "$WORK/keys/token-client"
    done < <("$ROOT/image/packages.py" files "signing-$TREE_ARCHITECTURE")
}

# with_token COMMAND…: the token answers at $WORK/keys/token while it runs, and its standard input is the PIN.
# Where the key is a file, just the command.
with_token() {
    local part parts named=() pin=${ATTENDANCE_PKCS11_PIN:-} status=0 IFS=';'
    if [ ! -e "$WORK/keys/key.uri" ]; then
        "$@"
        return
    fi
    # Of the address, what names the token and not the key.
    read -r -a parts <<< "$(sed 's/^pkcs11://; s/?.*//' "$WORK/keys/key.uri")"
    for part in "${parts[@]}"; do
        case $part in token=* | serial=* | manufacturer=* | model=*) named+=("$part") ;; esac
    done
    if [ -z "$pin" ]; then
        [ -t 0 ] || die "set ATTENDANCE_PKCS11_PIN: there is no terminal to ask for the token's PIN"
        read -r -s -p "PIN of the token: " pin
        echo >&2
    fi
    rm -f "$WORK/keys/token"
    eval "$(p11-kit server --provider "$ATTENDANCE_PKCS11_MODULE" --name "$WORK/keys/token" "pkcs11:${named[*]}")"
    "$@" <<< "$pin" || status=$?
    stop_token
    return $status
}

stop_token() {
    [ -z "${P11_KIT_SERVER_PID:-}" ] || kill "$P11_KIT_SERVER_PID" 2> /dev/null || true
    unset P11_KIT_SERVER_PID P11_KIT_SERVER_ADDRESS
}
