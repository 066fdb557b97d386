# shellcheck shell=sh disable=SC2015,SC2034,SC2154,SC2012,SC2045
# Copies what can be read of a damaged data partition to memory, and writes it back. init sources this file
# beside data.sh, which decides when to call it.

# More than this would not fit into memory beside the system.
RESCUE_LIMIT_KB=262144
SERVICE=var/changes/lib/attendance
# What to rescue, most valuable first, shell patterns below the data partition: rows and deliveries, who the
# appliance is, who may log in, settings and the machine's identity, Wi-Fi, the updates' record, what other
# programs remember, what a repair could not place; then everything else of the service.
WORTH="$SERVICE/journal $SERVICE/tls $SERVICE/page kept etc/changes var/changes/lib/iwd update var/changes/lib/[!ai]* lost+found
    $SERVICE/attendance $SERVICE/known_faces $SERVICE/[!cu]* $SERVICE/c*"
# All that a rescue may leave out, because it comes again: photos from the server, and bundles of updates.
COMES_AGAIN="$SERVICE/(cached_faces|update)"
# What /data/rescued does not keep: that, and embeddings, which are made from the photos.
NOT_KEPT_ASIDE="$SERVICE/(cached_faces|update|embeddings[^/]*)$"
# What shows where a folder from lost+found belongs: a name in it, and the folder's place. Outer folders
# first.
MARKS="taken=kept changes/lib=var changes/machine-id=etc changes/attendance=etc lib/attendance=var/changes machine-id=etc/changes
    attendance/attendance.toml=etc/changes attendance/journal=var/changes/lib attendance/page=var/changes/lib
    journal/journal-*.log=$SERVICE page/password=$SERVICE tls/key.pem=$SERVICE attendance.toml=etc/changes/attendance
    boot.json=update history.json=update journal-*.log=$SERVICE/journal deliveries-*.log=$SERVICE/journal key.pem=$SERVICE/tls
    password=$SERVICE/page ssh.nft=etc/changes/nftables.d dropbear_ed25519_host_key=etc/changes/dropbear
    *.psk=var/changes/lib/iwd *.open=var/changes/lib/iwd .cache_metadata.json=$SERVICE/cached_faces [0-9]*/*.[Jj][Pp]*=$SERVICE/known_faces"

# rescue [DEVICE]: copies what can be read of the data partition, or of DEVICE in its stead, into
# /run/rescued. Answers 0: all of it; 2: part of it; 1: nothing. What an earlier rescue could read stays; this
# one adds to it.
# shellcheck disable=SC2120 # init's words are not meant
rescue() {
    mkdir -p /run/broken
    careful=ro,noload,errors=continue
    if mount -t ext4 -o $careful "${1:-$data}" /run/broken || mount -t ext4 -o $careful,sb=131072 "${1:-$data}" /run/broken; then
        gather /run/broken
        umount /run/broken
        say "copied to memory: $copy of what is on the card, $(((RESCUE_LIMIT_KB - room) / 1024)) MB"
    elif [ "$copy" = none ]; then
        say "nothing can be read of the settings and the rows on this card"
    fi
    case $copy in none) return 1 ;; part) return 2 ;; esac
}

# gather FOLDER: what is of worth in it, into a memory of its own on /run/rescued, which can take the data
# partition's place.
gather() {
    mkdir -p /run/rescued
    grep -q ' /run/rescued ' /proc/mounts || mount -t tmpfs -o mode=0755,size=40% tmpfs /run/rescued
    cd "$1" || return
    room=${room:-$RESCUE_LIMIT_KB}
    [ "$copy" = part ] || copy=all
    # To a shell pattern, what cannot be read is not there. find names it.
    find . -xdev 2>&1 > /dev/null | grep -Eqv "$COMES_AGAIN" && copy=part
    for path in $WORTH; do [ -e "$path" ] && take "$path"; done
    cd /
    reclaim /run/rescued
}

# take PATH: into /run/rescued, whole if there is room; of a folder that is too large, what fits.
take() {
    [ -e "/run/rescued/$1" ] && return
    size=$(du -sk "$1" 2> /dev/null | cut -f1)
    if [ "${size:-0}" -le "$room" ]; then
        case $1 in */*) folder "${1%/*}" ;; esac
        cp -a "$1" "/run/rescued/$1" 2> /dev/null || left_out "$1"
        room=$((room - ${size:-0}))
    elif [ -d "$1" ]; then
        say "not all of $1 ($size KB) can be rescued: there is no room in memory"
        for entry in "$1"/* "$1"/.[!.]*; do [ -e "$entry" ] && take "$entry"; done
    else
        left_out "$1"
    fi
}

left_out() { echo "$1" | grep -Eq "$COMES_AGAIN" || copy=part; }

# folder PATH [ROOT]: the folder and those above it in ROOT (/run/rescued), empty, with owner and mode as they
# were.
folder() {
    set -- "$1" "${2:-/run/rescued}"
    [ -d "$2/$1" ] && return
    case $1 in */*) folder "${1%/*}" "$2" ;; esac
    mkdir "$2/$1"
    chown "$(stat -c %u:%g "$1")" "$2/$1"
    chmod "$(stat -c %a "$1")" "$2/$1"
}

# Rescues from the card as e2fsck would leave it; e2fsck's writes stay in memory (a snapshot). Rows of the
# last half minute may be in the file system's journal only. It cannot be replayed on this card, and without
# it `rescue` does not see those rows.
with_replayed_journal() {
    modprobe -q brd rd_nr=1 rd_size=65536
    modprobe -q dm-snapshot
    dmsetup create replayed --table "0 $(sectors "$data") snapshot $data /dev/ram0 N 8" > /run/dmsetup 2>&1 || return
    dmsetup mknodes
    e2fsck -y /dev/mapper/replayed > /run/e2fsck 2>&1
    rescue /dev/mapper/replayed || { e2fsck -y -f /dev/mapper/replayed > /run/e2fsck 2>&1; rescue /dev/mapper/replayed; }
    answer=$?
    dmsetup remove replayed
    modprobe -q -r brd
    return $answer
}

# reclaim ROOT: a full repair puts what lost its folder into ROOT/lost+found, under numbers. Owners and modes
# of the folders above, which are made here, the units and tmpfiles.d put right. What is in none of the
# folders and logs known here stays there, for a person.
reclaim() {
    for mark in $MARKS; do
        for found in "$1"/lost+found/*; do
            # shellcheck disable=SC2086 # the mark is a pattern
            set -- "$1" "$found"/${mark%=*}
            ! is_mark "$2" || settle "$found" "$1/${mark#*=}"
        done
    done
    # Files, by their first line. A log's number has to be its own, and to rise with its rows. Newest first:
    # of two that look alike, this system's is the newer one. With parts of a second: attendance.before is
    # written right before attendance.toml.
    for found in $(stat -c '%y/%n' "$1"/lost+found/* 2> /dev/null | sort -r | sed 's|.*/||'); do
        found=$1/lost+found/$found
        [ -f "$found" ] && [ ! -L "$found" ] || continue
        line=$(head -c 256 "$found" | head -n 1 | tr -cd ' -~')
        case $line in
            ????????,journal,*,*[!0-9]*) ;;
            ????????,journal,*,?*) settle "$found" "$1/$SERVICE/journal/journal-$(printf %08d "${line##*,}").log" ;;
            ????????,deliveries,*) settle "$found" "$1/$SERVICE/journal/deliveries-$(printf %08d "${found##*#}").log" ;;
            attendance-??????) settle_kept "$1" hostname hostname ;;
            \$[y56]\$*) settle_kept "$1" password.hash password.hash ;;
            root:*:*:*) settle "$found" "$1/etc/changes/shadow" ;;
            *[!0-9a-f]*) ! grep -q '^\[webhook\]' "$found" || settle_kept "$1" attendance.toml attendance/attendance.toml ;;
            ????????????????????????????????) settle_kept "$1" machine-id machine-id ;;
        esac
    done
}

# is_mark PATH: whether it is there; an identity only if it is one, for other folders have such a name, too.
is_mark() {
    [ -e "$1" ] || return
    case $1 in */machine-id) [ -f "$1" ] && [ ! -L "$1" ] && head -c 64 "$1" | grep -Eqx '[0-9a-f]{32}' ;; esac
}

# settle_kept ROOT NAME PLACE: `found` to where this system keeps it, else to where an older one does
# (etc.sh).
settle_kept() { if [ -e "$1/kept/$2" ]; then settle "$found" "$1/etc/changes/$3"; else settle "$found" "$1/kept/$2"; fi; }

# settle FOUND PLACE [copy]: there; where a folder is there already, what that lacks.
settle() {
    if [ ! -e "$2" ]; then
        mkdir -p "${2%/*}"
        if [ -n "${3:-}" ]; then cp -a "$1" "$2"; else mv "$1" "$2"; fi || lost=1
        say "put back what the repair took away: ${2#/run/*/}"
    elif [ -d "$1" ] && [ -d "$2" ]; then
        for entry in "$1"/* "$1"/.[!.]*; do [ ! -e "$entry" ] || settle "$entry" "$2/${entry##*/}" "${3:-}"; done
    fi
}

# After a full repair: what it took out of its place, and what only the copy has. A log only ever grows, so
# the longer one is the better. Fails, and keeps the copy, where the card does not take it.
put_back() {
    reclaim /run/data
    [ -n "$(ls /run/rescued 2> /dev/null)" ] || return 0
    lost=
    settle /run/rescued /run/data copy
    [ -z "$lost" ] || return
    for log in "/run/rescued/$SERVICE/journal"/*.log; do
        [ -e "$log" ] || continue
        placed=/run/data${log#/run/rescued}
        [ "$(stat -c %s "$log")" -le "$(stat -c %s "$placed" 2> /dev/null || echo -1)" ] || cp -a "$log" "$placed" || return
    done
    sync && ! is_read_only && forget_copy
}

# Into the new file system: everything to its place, and the part that cannot be fetched again also to
# /data/rescued. Fails, and keeps the copy in memory, where the card does not take it.
return_rescued() {
    [ -n "$(ls /run/rescued)" ] || return 0
    cp -a /run/rescued/. /run/data/ && keep_aside && sync && ! is_read_only && forget_copy
}

# There is never more than one such copy: the file system is new, and earlier copies are not rescued.
keep_aside() {
    mkdir -p /run/data/rescued/0 && cd /run/rescued || return
    missed=
    for path in $WORTH; do
        if [ ! -e "$path" ] || [ -e "/run/data/rescued/0/$path" ]; then continue; fi
        ! echo "$path" | grep -Eq "$NOT_KEPT_ASIDE" || continue
        case $path in */*) folder "${path%/*}" /run/data/rescued/0 ;; esac
        cp -a "$path" "/run/data/rescued/0/$path" || missed=1
    done
    cd /
    [ -z "$missed" ]
}

forget_copy() {
    umount /run/rescued 2> /dev/null
    rm -rf /run/rescued
}
