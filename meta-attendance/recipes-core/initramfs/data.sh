# The data partition, sourced by init: find_data grows it if it is fresh, mount_data leaves it mounted on /run/data, whatever
# state the card is in.
#
#   blank (freshly flashed)   the partition grows to the card's end and gets an ext4
#   clean or dirty            e2fsck repairs what a power cut leaves; mounted
#   beyond repair             what can still be read of settings and journal is kept aside in memory, the file system is made
#                             anew, and the rescued files lie in /data/rescued/N
#   not there or not writable the appliance runs on memory for this boot and says so

# Settings, journal and photos of one site fit; more than this would not fit into memory beside the system.
RESCUE_LIMIT_KB=262144

find_data() {
    partition 6 || return
    data=$device
    fresh=
    if [ "$(head -c 65536 "$data" | tr -d '\0' | wc -c)" = 0 ]; then
        say "first boot: the data partition takes the rest of the card"
        fresh=1
        grow
    fi
}

mount_data() {
    mkdir -p /run/data
    [ -n "$data" ] || { on_memory "the data partition did not appear"; return; }
    if [ -n "$fresh" ]; then make || { on_memory "no file system could be made on $data"; return; }; fi
    if repair && mount_ext4; then return; fi
    say "the data partition is damaged beyond e2fsck's repair: rescuing what can be read"
    rescue
    make && mount_ext4 || { on_memory "the card no longer takes a file system"; return; }
    return_rescued
}

# The partition table was made for the smallest card; move its end, and its backup, to this card's.
grow() {
    disk=/dev/$(basename "$(readlink -f "/sys/class/block/$(basename "$data")/..")")
    echo ', +' | sfdisk --quiet --no-reread --force -N 6 "$disk" > /run/sfdisk 2>&1 || while read -r line; do say "sfdisk: $line"; done < /run/sfdisk
    blockdev --rereadpt "$disk" || say "the partition table could not be read again: the data partition stays small"
    partition 6 && data=$device
}

# discard is left out: on old cards it takes minutes. The rest of the inode tables is zeroed later, in the background.
make() {
    mke2fs -q -F -t ext4 -L data -E nodiscard "$data" > /run/mke2fs 2>&1 && return
    while read -r line; do say "mke2fs: $line"; done < /run/mke2fs
    return 1
}

# 0 when the file system may be mounted: e2fsck answers 0 (clean), 1 or 2 (repaired), 4 and more (not repaired).
repair() {
    e2fsck -p "$data" > /run/e2fsck 2>&1
    [ $? -lt 4 ] && return 0
    while read -r line; do say "e2fsck: $line"; done < /run/e2fsck
    say "the data partition needs a full repair"
    e2fsck -y "$data" > /run/e2fsck 2>&1
    [ $? -lt 4 ]
}

# Metadata of appended rows reaches the card within five seconds; the journal's own fsync does not wait for that.
mount_ext4() { mount -t ext4 -o rw,noatime,nodev,nosuid,errors=remount-ro,commit=5 "$data" /run/data; }

rescue() {
    mkdir -p /run/broken /run/rescued
    mount -t ext4 -o ro,noload "$data" /run/broken || { say "nothing can be read: settings and journal on this card are lost"; return; }
    for folder in etc/changes var/changes/lib/attendance var/changes/lib/iwd; do
        size=$(du -sk "/run/broken/$folder" 2> /dev/null | cut -f1)
        [ "${size:-0}" -gt 0 ] && [ "$size" -le $RESCUE_LIMIT_KB ] || continue
        mkdir -p "/run/rescued/$folder"
        cp -a "/run/broken/$folder/." "/run/rescued/$folder/" 2> /dev/null
        say "rescued what could be read of $folder ($size KB)"
    done
    umount /run/broken
}

# Settings go back to their place, everything is also kept aside for a person to look at.
return_rescued() {
    [ -d /run/rescued/etc ] || [ -d /run/rescued/var ] || return
    mkdir -p /run/data/rescued
    cp -a /run/rescued "/run/data/rescued/$(ls /run/data/rescued | wc -l)"
    for folder in etc var; do
        [ -d "/run/rescued/$folder" ] && cp -a "/run/rescued/$folder" /run/data/
    done
    rm -rf /run/rescued
    sync
}

on_memory() {
    say "FAILED: $1. This boot runs on memory: nothing it records survives a restart. Replace the card."
    mount -t tmpfs -o mode=0755,size=40% tmpfs /run/data
}
