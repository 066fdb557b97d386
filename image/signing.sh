# shellcheck shell=bash
# The keys that sign update bundles and, for signed boot, what the board's firmware starts. Sourced by
# scripts/build-image.
#
# The bundle's is a file (key.pem), or it lies in a token: key.uri then has its PKCS#11 address
# (pkcs11:token=…;object=…), and ATTENDANCE_PKCS11_MODULE names the library that reaches the token from this
# machine. The builder tree has neither that library nor a network: while something is signed, this machine's
# p11-kit serves the token at a socket in the work folder. The PIN is ATTENDANCE_PKCS11_PIN, or is asked for.
#
# That of signed boot is ATTENDANCE_BOOT_KEY, a file or such an address. A file is never copied: the step that
# signs reads it from its standard input.

# The PINs that were asked for, by the address of the key.
declare -A PINS

# Removes the copies of the signing key that builds make below $CACHE. The development authority's own folder
# stays: it is not a secret worth keeping, and a production image refuses it.
drop_signing_keys() {
    stop_token
    rm -f "$CACHE"/work/keys/key.pem "$CACHE"/work-check-*/keys/key.pem
    rm -rf "$CACHE/work-boot-key"
}

# take_signing_keys FOLDER: what the steps need of it, into $WORK/keys.
take_signing_keys() {
    cp "$1"/{keyring,cert}.pem "$WORK/keys/"
    if [ ! -e "$1/key.uri" ]; then
        cp "$1/key.pem" "$WORK/keys/"
        return
    fi
    [ ! -e "$1/key.pem" ] || die "$1 has key.pem and key.uri: remove the one that is not meant"
    check_address "$(cat "$1/key.uri")" "$1/key.uri"
    cp "$1/key.uri" "$WORK/keys/"
    unpack_token_client
}

# check_address ADDRESS WHERE: whether a key in a token can be used.
check_address() {
    [[ $1 == pkcs11:* ]] || die "$2 is no PKCS#11 address (pkcs11:token=…;object=…)"
    [[ $1 != *pin-value=* ]] || die "$2 has the PIN in it: take it out, and set ATTENDANCE_PKCS11_PIN or let it be asked for"
    [ -e "${ATTENDANCE_PKCS11_MODULE:-}" ] || die "set ATTENDANCE_PKCS11_MODULE to the library that reaches the token (SoftHSM: /usr/lib/softhsm/libsofthsm2.so)"
    [ -z "${TEST_BUNDLES:-}" ] || die "--test-bundles signs with a key in a file"
}

# What the builder tree lacks to sign with a key in a token.
unpack_token_client() {
    local deb
    need_packages p11-kit
    "$ROOT/image/packages.py" fetch "signing-$TREE_ARCHITECTURE"
    while read -r deb; do
        dpkg-deb --extract "$deb" "$WORK/keys/token-client"
    done < <("$ROOT/image/packages.py" files "signing-$TREE_ARCHITECTURE")
}

boot_key_in_token() { [[ ${ATTENDANCE_BOOT_KEY:-} == pkcs11:* ]]; }

# Whether ATTENDANCE_BOOT_KEY can sign what the firmware starts, before anything is made. Its public half
# comes to BOOT_PUBLIC; that of a key in a token by read_boot_key.
check_boot_key() {
    [ -n "${ATTENDANCE_BOOT_KEY:-}" ] \
        || die "--signed-boot needs ATTENDANCE_BOOT_KEY: the file of an RSA key of 2048 bits (PEM), or a key's PKCS#11 address"
    if boot_key_in_token; then
        check_address "$ATTENDANCE_BOOT_KEY" ATTENDANCE_BOOT_KEY
        return
    fi
    [ -f "$ATTENDANCE_BOOT_KEY" ] || die "ATTENDANCE_BOOT_KEY: there is no file $ATTENDANCE_BOOT_KEY"
    need_packages openssl
    BOOT_PUBLIC=$(openssl pkey -in "$ATTENDANCE_BOOT_KEY" -passin pass: -pubout 2> /dev/null) \
        || die "ATTENDANCE_BOOT_KEY: $ATTENDANCE_BOOT_KEY holds no private key without a password (PEM)"
    check_boot_public
}

check_boot_public() {
    local kind
    kind=$(openssl pkey -pubin -noout -text 2> /dev/null <<< "$BOOT_PUBLIC") || true
    [[ $kind == "Public-Key: (2048 bit)"*Modulus:* && $kind != *PSS* ]] \
        || die "ATTENDANCE_BOOT_KEY: the key is no RSA key of 2048 bits, and the firmware of the Pi 5 takes no other"
}

# The public half of a key in a token, in the builder tree.
read_boot_key() {
    local WORK=$CACHE/work-boot-key
    boot_key_in_token || return 0
    need_packages openssl
    rm -rf "$WORK"
    (umask 077; mkdir -p "$WORK/keys")
    take_boot_key
    with_boot_key in_tree /src/image/steps/sign-boot --public > "$WORK/public.pem" || die "the token gives no key for ATTENDANCE_BOOT_KEY"
    BOOT_PUBLIC=$(cat "$WORK/public.pem")
    rm -rf "$WORK"
    check_boot_public
}

# What the steps need of signed boot's key, into $WORK/keys: boot-public.pem says that there is one.
take_boot_key() {
    printf '%s\n' "${BOOT_PUBLIC:-}" > "$WORK/keys/boot-public.pem"
    boot_key_in_token || return 0
    printf '%s\n' "$ATTENDANCE_BOOT_KEY" > "$WORK/keys/boot.uri"
    unpack_token_client
}

# with_boot_key COMMAND…: its standard input is signed boot's key, or the PIN of its token; without signed
# boot, just the command.
with_boot_key() {
    if [ ! -e "$WORK/keys/boot-public.pem" ]; then
        "$@"
    elif boot_key_in_token; then
        with_token boot.uri "$@"
    else
        "$@" < "$ATTENDANCE_BOOT_KEY"
    fi
}

# with_token NAME COMMAND…: the token of the address in $WORK/keys/NAME answers at $WORK/keys/token while the
# command runs, and the command's standard input is the PIN. Without that file, just the command.
with_token() {
    local address part parts named=() pin status=0 IFS=';'
    if [ ! -e "$WORK/keys/$1" ]; then
        "${@:2}"
        return
    fi
    address=$(cat "$WORK/keys/$1")
    shift
    pin=${ATTENDANCE_PKCS11_PIN:-${PINS[$address]:-}}
    # Of the address, what names the token and not the key.
    read -r -a parts <<< "$(sed 's/^pkcs11://; s/?.*//' <<< "$address")"
    for part in "${parts[@]}"; do
        case $part in token=* | serial=* | manufacturer=* | model=*) named+=("$part") ;; esac
    done
    if [ -z "$pin" ]; then
        [ -t 0 ] || die "set ATTENDANCE_PKCS11_PIN: there is no terminal to ask for the token's PIN"
        read -r -s -p "PIN of the token (${named[*]}): " pin
        echo >&2
        PINS[$address]=$pin
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
