# shellcheck shell=sh disable=SC2034,SC2154 # init and its two parts share their variables
# The data partition, sourced by init: find_data grows it if it is fresh, mount_data leaves it mounted on
# /run/data, whatever state the card is in.
#
#   freshly flashed           the partition grows to the card's end and gets an ext4
#   clean or dirty            e2fsck repairs what a power cut leaves; mounted
#   beyond repair             what can still be read is kept aside in memory, in order of worth and while
#                             there is room, a new file system is made, and the rescued files lie in their
#                             places and in /data/rescued/N
#   not there, not writable,  the appliance runs on memory for this boot and says so; attendance-data.timer
#   not to be read            restarts it after ten minutes if that leaves it without settings. No file system
#                             is made over what could not be read
#   anything but the first    on a trial: nothing is touched and the trial is over. A new system that cannot
#   two, on a trial           read the data, or whose e2fsck does not run, must not be what decides that the
#                             old one's data are lost

# The size that flashing leaves, in sectors: `data` in image/partitions.sfdisk.
FLASHED=16384
# More than this would not fit into memory beside the system.
RESCUE_LIMIT_KB=262144
# What to rescue, most valuable first, shell patterns below the data partition: rows and deliveries, who the
# appliance is, who may log in, settings and the machine's identity, Wi-Fi, the updates' record; then
# everything else of the service, photos from the server last, because they come again.
WORTH="var/changes/lib/attendance/journal var/changes/lib/attendance/tls var/changes/lib/attendance/page etc/changes
    var/changes/lib/iwd update var/changes/lib/attendance/attendance var/changes/lib/attendance/known_faces
    var/changes/lib/attendance/[!c]* var/changes/lib/attendance/c*"

find_data() {
    partition 6 || { missing="the data partition did not appear"; return; }
    data=$device
    fresh=
    if [ "$(sectors "$data")" -le $FLASHED ]; then
        # What an earlier use of the card left there may look like a file system of ours. Zeros first: should
        # the power go before the file system is made, the next start knows by them.
        if [ "$trial" = 1 ] || ! head -c 65536 /dev/zero > "$data" || ! sync || ! grow; then
            missing="the data partition cannot be made as large as the card"
            data=
            return
        fi
    elif [ "$(head -c 65536 "$data" | tr -cd '\0' | wc -c)" != 65536 ]; then
        # Also a beginning that cannot be read: that is no fresh card.
        return
    fi
    say "first boot: the data partition takes the rest of the card"
    fresh=1
}

mount_data() {
    mkdir -p /run/data
    [ -n "$data" ] || { on_memory "$missing"; return; }
    if [ -n "$fresh" ]; then make || { on_memory "no file system could be made on $data"; return; }; fi
    repair
    damage=$?
    case $damage in
        0) mount_ext4 && return ;;
        2) on_memory "e2fsck could not do its work, so nobody knows how $data is"; return ;;
    esac
    [ "$trial" = 1 ] && give_up "this system cannot mount the data partition"
    say "the data partition is damaged beyond e2fsck's repair, or cannot be read: rescuing what can be"
    # Only what e2fsck read and found damaged is given up where nothing can be rescued.
    rescue || [ $damage = 1 ] || { on_memory "$data cannot be read"; return; }
    # shellcheck disable=SC2015 # either of the two may fail
    make && mount_ext4 || { on_memory "the card no longer takes a file system"; return; }
    return_rescued
}

sectors() { cat "/sys/class/block/$(basename "$1")/size"; }

# The partition table was made for the smallest card; move its end, and its backup, to this card's.
grow() {
    echo ', +' | sfdisk --quiet --no-reread --force -N 6 "/dev/$disk" > /run/sfdisk 2>&1 || while read -r line; do say "sfdisk: $line"; done < /run/sfdisk
    blockdev --rereadpt "/dev/$disk" || say "the partition table could not be read again"
    partition 6 && data=$device && [ "$(sectors "$data")" -gt $FLASHED ]
}

# The features are named, and are those that every e2fsck and kernel of this appliance's versions knows: the
# file system outlives the system that made it. discard is left out: on old cards it takes minutes. The rest
# of the inode tables is zeroed later, in the background.
make() {
    [ "$trial" = 1 ] && return 1
    mke2fs -q -F -t ext4 -L data -b 4096 -I 256 -E nodiscard \
        -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum \
        "$data" > /run/mke2fs 2>&1 && return
    while read -r line; do say "mke2fs: $line"; done < /run/mke2fs
    return 1
}

# 0: the file system may be mounted; 1: it is damaged; 2: e2fsck did not run, was killed, or had no memory; 3:
# it could not read what it would have judged. e2fsck answers 0 (clean), 1 or 2 (repaired), 4 and more (not
# repaired), 8 also where the beginning is no file system; the shell 126 and more for the rest.
repair() {
    e2fsck -p "$data" > /run/e2fsck 2>&1
    judge $?
    case $? in 0 | 2) return ;; esac
    say "the data partition needs a full repair"
    e2fsck -y "$data" > /run/e2fsck 2>&1
    judge $?
    verdict=$?
    [ $verdict = 3 ] || return $verdict
    # Where the superblock has gone bad, e2fsck does not look for the copy by itself. It lies where `make`
    # puts it.
    say "trying the copy of the superblock"
    e2fsck -y -b 32768 -B 4096 "$data" > /run/e2fsck 2>&1
    judge $?
}

judge() {
    [ "$1" -lt 4 ] && return 0
    while read -r line; do say "e2fsck: $line"; done < /run/e2fsck
    [ "$1" -lt 126 ] || return 2
    case $(cat /run/e2fsck) in
        *"emory alloc"* | *"allocate memory"*) return 2 ;;
        *"short read"* | *"nput/output error"* | *"on-existent"*) return 3 ;;
    esac
    return 1
}

# Metadata of appended rows reaches the card within five seconds; the journal's own fsync does not wait for
# that.
mount_ext4() { mount -t ext4 -o rw,noatime,nodev,nosuid,errors=remount-ro,commit=5 "$data" /run/data; }

# Fails where nothing can be read.
rescue() {
    mkdir -p /run/broken /run/rescued
    mount -t ext4 -o ro,noload "$data" /run/broken || mount -t ext4 -o ro,noload,sb=131072 "$data" /run/broken \
        || { say "nothing can be read of the settings and the journal on this card"; return 1; }
    room=$RESCUE_LIMIT_KB
    cd /run/broken || return
    for path in $WORTH; do [ -e "$path" ] && take "$path"; done
    cd /
    umount /run/broken
    say "rescued $(((RESCUE_LIMIT_KB - room) / 1024)) MB of what could be read"
}

# take PATH: into /run/rescued, whole if there is room; of a folder that is too large, what fits.
take() {
    [ -e "/run/rescued/$1" ] && return
    size=$(du -sk "$1" 2> /dev/null | cut -f1)
    if [ "${size:-0}" -le "$room" ]; then
        case $1 in */*) folder "${1%/*}" ;; esac
        cp -a "$1" "/run/rescued/$1" 2> /dev/null
        room=$((room - ${size:-0}))
    elif [ -d "$1" ]; then
        say "not all of $1 ($size KB) can be rescued: there is no room in memory"
        for entry in "$1"/*; do [ -e "$entry" ] && take "$entry"; done
    fi
}

# folder PATH: the folder and those above it, empty, with owner and mode as they were.
folder() {
    [ -d "/run/rescued/$1" ] && return
    case $1 in */*) folder "${1%/*}" ;; esac
    mkdir "/run/rescued/$1"
    chown "$(stat -c %u:%g "$1")" "/run/rescued/$1"
    chmod "$(stat -c %a "$1")" "/run/rescued/$1"
}

# Everything goes back to its place, and is also kept aside for a person to look at.
return_rescued() {
    [ -n "$(ls /run/rescued)" ] || return
    mkdir -p /run/data/rescued
    # shellcheck disable=SC2012 # these names are numbers
    cp -a /run/rescued "/run/data/rescued/$(ls /run/data/rescued | wc -l)"
    cp -a /run/rescued/. /run/data/
    rm -rf /run/rescued
    sync
}

on_memory() {
    [ "$trial" = 1 ] && give_up "$1"
    say "FAILED: $1. This boot runs on memory: nothing it records survives a restart. Replace the card."
    mount -t tmpfs -o mode=0755,size=40% tmpfs /run/data
    memory=1
}
