# shellcheck shell=sh disable=SC2015,SC2034,SC2086,SC2115,SC2154,SC2231
# /etc and /var, sourced by init. Whoever holds the card can write anything to the data partition, so nothing
# on it may enable a unit, replace a library or change who may log in.
#
#   /etc    is the root's own, under a layer in memory. Into that layer come the files of LIST from
#           /data/kept, each one only if it is what it should be: a plain file of root's, of so many bytes at
#           most, in its form. Any other file is moved to /data/left-out and reported, and counts as lost: the
#           older system's file takes its place, or the settings before the last change, or the defaults
#   /var    keeps its layer on the data partition. Anything in it that leads elsewhere, or would alter what
#           runs, is moved to /data/left-out. Nothing in it can be executed
#
# An older system keeps these files in /data/etc/changes, which it lays over its whole /etc. That folder stays
# as it is, for a rollback. Files that are in it and not in /data/kept are taken over, and so are files that
# the older system changed after that: /data/kept/taken has the checksum of each file as it was when it was
# taken over.

kept=/run/data/kept
older=/run/data/etc/changes
vars=/run/data/var/changes
aside=/run/data/left-out
etc=/root/etc
layer=/run/etc
piece=/run/piece

# The file's name in /data/kept, its place below /etc, owner, mode, most bytes. Of `shadow` root's hash alone
# is kept, of iwd's settings the country: the rest of both is the image's.
LIST="machine-id machine-id 0:0 444 33
hostname hostname 0:0 644 64
password.hash shadow - - 65536
country iwd/main.conf - - 4096
ca.pem attendance/ca.pem 0:800 644 262144
page.crt attendance/page.crt 0:800 644 262144
page.key attendance/page.key 0:800 640 262144
eap-ca.pem attendance/eap-ca.pem 0:800 644 262144
eap.crt attendance/eap.crt 0:800 644 262144
eap.key attendance/eap.key 0:800 600 262144
attendance.toml attendance/attendance.toml 0:800 640 262144
attendance.before attendance/attendance.before 0:0 600 262144
authorized_keys attendance/ssh/authorized_keys 0:0 600 262144
dropbear_ed25519_host_key dropbear/dropbear_ed25519_host_key 0:0 600 83"
# What else an older system leaves in its /etc. Nobody needs it.
ALSO_OLDER="nftables.d/ssh.nft
.updated
.pwd.lock
dropbear/fresh_host_key
dropbear/fresh_host_key.pub"

# Lays a layer in memory over the root's /etc. The layer's own mount is removed, so that only /etc leads to
# it.
lay_etc() {
    mkdir -p $layer && mount -t tmpfs -o mode=0755,size=8m,nosuid,nodev,noexec tmpfs $layer || return
    mkdir $layer/changes $layer/work
    mount -t overlay -o "nosuid,nodev,noexec,lowerdir=$etc,upperdir=$layer/changes,workdir=$layer/work" overlay $etc || return
    umount $layer
}

# Fills that layer.
fill_etc() {
    umask 077
    for path in $kept $kept/taken; do
        is_folder $path || put_aside $path "no folder"
        mkdir -p $path && chown 0:0 $path && chmod 700 $path
    done
    # What a power cut left half-written.
    rm -rf $kept/.new-* $kept/taken/.new
    while read -r name place owner mode bytes; do one; done << END
$LIST
END
    rm -f $piece
    umask 022
    tell_strangers $kept "$(echo "$LIST" | cut -d ' ' -f 1)"
    tell_strangers $older "$(echo "$LIST" | cut -d ' ' -f 2)
$ALSO_OLDER"
}

# One line of LIST: to /etc, from where the file was changed last.
one() {
    if is_there $kept/$name && ! { fetch $kept/$name && has_form; }; then put_aside $kept/$name refused; fi
    had=
    ! is_plain $kept/taken/$name || had=$(head -c 64 $kept/taken/$name)
    if is_there $older/$place; then
        if fetch $older/$place; then
            pick
            picked=$?
            sum=$(sha256sum < $piece | cut -d ' ' -f 1)
            if is_news && [ $picked = 0 ] && has_form; then
                # Also where the card has no room to keep it.
                put
                keep
                return
            fi
            # A repair lost the sum, say: from now on a change shows.
            [ -n "$had" ] && [ -z "${full:-}" ] || note
        fi
    elif [ -d $older ]; then
        sum=none
        if [ $name = authorized_keys ] && [ "${had:-none}" != none ]; then
            if [ -n "${full:-}" ] || [ ! -d $older/attendance/ssh ]; then
                say "the older system's authorized_keys is lost: SSH stays as it was here"
                note
            else
                say "SSH was switched off in the older system: authorized_keys is empty here, too"
                : > $piece
                keep
            fi
        fi
        [ -n "$had" ] || note
    fi
    if is_there $kept/$name; then
        fetch $kept/$name && has_form && put
    elif [ $name = attendance.toml ] && is_there $kept/attendance.before && fetch $kept/attendance.before && has_form; then
        say "attendance.toml is lost: the settings before the last change take its place"
        put
    fi
}

# Whether the older system's file counts: this system has none, or the older one changed it after it was
# taken. A full repair may have put an earlier file there.
is_news() { ! is_there $kept/$name || { [ -z "${full:-}" ] && [ -n "$had" ] && [ "$had" != $sum ]; }; }

is_there() { [ -e "$1" ] || [ -L "$1" ]; }

# Whether it is a folder, or nothing, reached without a link.
is_folder() { ! is_there "$1" || { [ -d "$1" ] && is_in_place "$1"; }; }

is_plain() { [ -f "$1" ] && [ ! -L "$1" ]; }

is_in_place() { [ "$(readlink -f "$1")" = "$1" ]; }

# fetch FILE: into memory, if it is a plain file of root's, not too large, and reached without a link.
fetch() {
    if ! is_in_place "$1"; then leave_out "$1" "a link, or behind one"; return 1; fi
    if ! [ -f "$1" ]; then leave_out "$1" "no plain file"; return 1; fi
    if [ "$(stat -c %s "$1")" -gt $bytes ]; then leave_out "$1" "more than $bytes bytes"; return 1; fi
    if [ "$(stat -c %u:%h "$1")" != 0:1 ]; then leave_out "$1" "not root's alone"; return 1; fi
    head -c $bytes "$1" > $piece && return
    leave_out "$1" "cannot be read"
    return 1
}

leave_out() { say "left out of /etc: ${1#/run}: $2"; }

# Of an older system's file, the part that is kept; false where it has none.
pick() {
    case $name in
        password.hash) sed -n 's/^root:\([^:]*\):.*/\1/p' $piece > $piece.part ;;
        country) sed -n 's/^Country=//p' $piece > $piece.part ;;
        # With other blanks, and comments; a line that is no key must not cost the others.
        authorized_keys)
            tr '\t' ' ' < $piece | tr -d '\000-\010\013-\037\177' | sed 's/^ *//; s/  */ /g; s/ $//; /^#/d; /^$/d' > $piece.lines
            grep -E "^($KEY)\$" $piece.lines > $piece.part
            cmp -s $piece.lines $piece.part || say "left out of /etc: lines of the older system's authorized_keys that are not keys"
            rm $piece.lines
            ;;
        *) return 0 ;;
    esac
    mv $piece.part $piece
    [ -s $piece ]
}

KEY='(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521))[[:blank:]]+[A-Za-z0-9+/=]+([[:blank:]].*)?'

# Whether it is what a file of this name is made of.
has_form() {
    case $name in
        machine-id) is_line '[0-9a-f]{32}' ;;
        hostname) is_line '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?' ;;
        # Visible characters but : | & and \, which `put` or shadow's form reads; a locked account has * or !.
        password.hash) is_line "[*!]|\\\$(y|6|5)\\\$[]!-%'-9;-[^-{}~]{36,200}" ;;
        country) is_line '[A-Z]{2}' ;;
        ca.pem | page.crt | eap-ca.pem | eap.crt) is_text && grep -q -e '^-----BEGIN CERTIFICATE-----' $piece ;;
        page.key | eap.key) is_text && grep -q -e '^-----BEGIN [A-Z ]*PRIVATE KEY-----' $piece ;;
        attendance.toml | attendance.before) is_text ;;
        authorized_keys) are_lines "$KEY" ;;
        # dropbear's form: the type, and 64 bytes, each with its length before it.
        dropbear_ed25519_host_key)
            [ "$(stat -c %s $piece)" = 83 ] \
                && [ "$(head -c 19 $piece | od -An -tx1 | tr -d ' \n')" = 0000000b7373682d6564323535313900000040 ]
            ;;
        *) false ;;
    esac && return
    say "left out of /etc: $name: not in its form"
    return 1
}

# Text without control characters.
is_text() { [ "$(tr -cd '\000-\010\013\014\016-\037\177' < $piece | wc -c)" = 0 ]; }

are_lines() { is_text && ! grep -Evq "^($1)\$" $piece; }

is_line() { [ -s $piece ] && [ "$(wc -l < $piece)" -le 1 ] && are_lines "$1"; }

# What was fetched, where the running system reads it.
put() {
    case $name in
        password.hash) change "s|^root:[^:]*:|root:$(cat $piece):|" ;;
        country) change "s/^\[General\]\$/[General]\nCountry=$(cat $piece)/" ;;
        # An empty file of keys says that SSH is off. Empty settings are settings.
        authorized_keys) [ ! -s $piece ] || set_down ;;
        *) set_down ;;
    esac || say "left out of /etc: $name: it cannot be written there"
}

set_down() {
    folder=$etc/${place%/*}
    [ $place = "${place#*/}" ] || [ -d $folder ] || { mkdir $folder && chmod 755 $folder; }
    cp $piece $etc/$place && chown $owner $etc/$place && chmod $mode $etc/$place
}

# change COMMAND: sed's, of the image's own file, which keeps owner and mode.
change() { sed "$1" $etc/$place > $piece.changed && cat $piece.changed > $etc/$place && rm $piece.changed; }

# What was fetched, in this system's place. Where that fails, nothing is kept: the next start takes the older
# system's file again, and what is changed here until then counts.
keep() {
    cp $piece $kept/.new-$name 2> /dev/null && sync && mv -f $kept/.new-$name $kept/$name && sync && note && return
    say "$name of the older system could not be kept"
    rm -f $kept/$name $kept/taken/$name
}

# What the older system has of this file.
note() { { echo $sum > $kept/taken/.new; } 2> /dev/null && mv -f $kept/taken/.new $kept/taken/$name; }

# tell_strangers FOLDER NAMES: what else lies there has no effect. Twenty names, as far as they can be
# printed.
tell_strangers() {
    is_folder "$1" && [ -d "$1" ] || return 0
    (cd "$1" && find . ! -type d ! -path './taken/*' ! -name '.new-*' 2> /dev/null) | while read -r path; do
        case "
$2
" in
            *"
${path#./}
"*) ;;
            *) echo "$path" ;;
        esac
    done | head -n 20 | tr -cd '\n -~' | cut -c 3-120 | while read -r path; do
        leave_out "$1/$path" "not on the list"
    done
}

# put_aside PATH WHY: of the data partition, for a person to look at. What lay there under this name goes.
put_aside() {
    say "put aside into /data/left-out: $(echo "${1#/run/data/}" | tr -cd ' -~' | cut -c 1-120): $2"
    is_folder $aside || rm -f $aside
    mkdir -p $aside && chmod 700 $aside && rm -rf "$aside/${1##*/}" && mv "$1" $aside/ || rm -rf "$1"
}

# What init and other programs use as folders.
tidy_data() {
    for path in /run/data/update /run/data/rauc /run/data/rescued; do is_folder $path || put_aside $path "no folder"; done
}

# Before /var's layer is laid: what in it would lead elsewhere, or alter what runs.
tidy_var() {
    for path in /run/data/var $vars; do is_folder $path || put_aside $path "no folder"; done
    # The root's own links to /run.
    for name in run lock; do
        is_there $vars/$name && [ -z "$(readlink $vars/$name)" ] && put_aside $vars/$name "not on the data partition"
    done
    # Folders of programs, and what root's programs trust in them.
    for path in $vars/* $vars/lib/* $vars/lib/systemd/* $vars/lib/iwd/* $vars/log/journal; do
        [ -L "$path" ] || continue
        case ${path#"$vars"/}:$(readlink "$path") in run:../run | lock:../run/lock) ;; *) put_aside "$path" "a link" ;; esac
    done
    # Programs of users who do not log in; images that systemd lays over /usr and /etc; settings of the sound
    # library, which name libraries.
    for path in $vars/lib/systemd/linger $vars/lib/extensions $vars/lib/confexts $vars/lib/alsa; do
        [ -z "$(ls -A $path 2> /dev/null)" ] || put_aside $path "it would alter what runs"
    done
    for path in $vars/lib/iwd/* $vars/lib/iwd/.[!.]*; do
        ! is_there "$path" || is_network "$path" || put_aside "$path" "no Wi-Fi network in iwd's form"
    done
    rm -f $piece
}

# is_network FILE: a network as iwd keeps it: sections, settings, certificates.
is_network() {
    case ${1##*/} in
        .known_network.freq) ;;
        *[!A-Za-z0-9_\ =.-]*) return 1 ;;
        *.psk | *.open | *.8021x) ;;
        *) return 1 ;;
    esac
    is_plain "$1" && [ "$(stat -c %h "$1")" = 1 ] && [ "$(stat -c %s "$1")" -le 65536 ] && head -c 65536 "$1" > $piece \
        && are_lines '|#.*|\[[A-Za-z0-9@_.-]+\]|[A-Za-z0-9_-]+ ?=.*|-----(BEGIN|END) [A-Z0-9 ]+-----|[A-Za-z0-9+/]+=*'
}
