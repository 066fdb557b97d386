# shellcheck shell=sh disable=SC2034,SC2154,SC2012
# The data partition, sourced by init: find_data grows it if it is fresh, mount_data leaves something mounted
# on /run/data, whatever state the card is in.
#
#   encrypted                 opened first (card.sh); the rest is as of any other
#   freshly flashed           the partition grows to the card's end and gets an ext4
#   clean or dirty            e2fsck repairs what a power cut leaves; mounted
#   needs a full repair       everything readable is copied to memory first. After the repair, what it left in
#                             lost+found goes back to its place, and so does what only the copy still has
#   beyond repair             everything readable is copied to memory. If nothing had to be left out, a new
#                             file system is made, and the copy goes back to its places. What cannot be
#                             fetched again is also kept in /data/rescued/0, for a person to look at, until
#                             attendance-rescued.timer removes it. Otherwise no file system is made
#   takes no writes           (a card at the end of its life) nothing on it is changed: settings and rows are
#   clean, does not mount     copied to memory, and the door works with the copy. The same where e2fsck could
#   cannot be judged          not do its work, where not all could be read, and where making a new file system
#                             failed
#   not there                 the door works on memory, without the card's settings
#   to be erased              a factory reset was asked for: it is made fresh (see forget)
#   anything but the first    on a trial: nothing is touched and the trial is over. A new system that cannot
#   two, on a trial           read the data, or whose e2fsck does not run, must not be what decides that the
#                             old one's data are lost
#
# Nothing restarts the machine automatically while memory holds the only copy of something:
# attendance-data.service and others read /run/attendance-boot/memory, which init writes and describes.

# The size that flashing leaves, in sectors: `data` in image/partitions.sfdisk.
FLASHED=16384

# How much of the card's data is in memory (all, part, none), and whether it is still on the card, too (kept,
# gone).
copy=none
original=kept
# Why there is no data partition.
missing=

find_data() {
    partition 6 || { missing="the data partition did not appear"; return; }
    data=$device
    fresh=
    if [ "$(sectors "$data")" -le $FLASHED ]; then
        # Remains of an earlier use of the card may look like a file system of ours. So zeros are written
        # first: if the power fails before the file system is made, the next start recognises that by them.
        if [ "$trial" = 1 ] || ! head -c 65536 /dev/zero > "$data" || ! sync || ! grow; then
            missing="the data partition cannot be made as large as the card"
            data=
            return
        fi
    elif [ "$(head -c 65536 "$data" | tr -cd '\0' | wc -c)" != 65536 ]; then
        # Also a beginning that cannot be read: that is not a fresh card.
        return
    fi
    say "first boot: the data partition takes the rest of the card"
    fresh=1
}

mount_data() {
    mkdir -p /run/data
    [ -n "$data" ] || { on_memory absent "$missing"; return; }
    open_card
    if [ -n "$fresh" ]; then
        make || { on_memory no-file-system "no file system could be made on $data"; return; }
    elif ! takes_writes; then
        run_from_copy
        return
    fi
    repair
    damage=$?
    while [ $damage = 0 ] && mount_patiently; do
        if is_to_be_erased; then
            forget
            return
        fi
        if [ -n "$full" ]; then
            put_back && return
            gather /run/data
            umount /run/data
            on_memory not-restored "what the repair had removed could not be written back to the card"
            return
        fi
        # e2fsck does not look into what was put away clean, nor the kernel before it is asked.
        folders_are_readable && return
        umount /run/data
        [ "$trial" != 1 ] || break
        repair_fully
        damage=$?
    done
    [ "$trial" = 1 ] && give_up "this system cannot check or mount the data partition"
    case $damage in
        0) rescue; on_memory unmountable "e2fsck finds no error on $data, and yet it cannot be mounted"; return ;;
        2) rescue; on_memory unchecked "e2fsck could not do its work, so the state of $data is unknown"; return ;;
        4) run_from_copy; return ;;
    esac
    say "the data partition is damaged beyond e2fsck's repair, or cannot be read: copying to memory what can be"
    rescue
    # A new file system destroys what is there: only where all of it is in memory, or where e2fsck has read it
    # and nothing in it can be.
    case $?$damage in
        0* | 11) ;;
        *) on_memory unreadable "$data is damaged, and not all of it can be read or fits into memory: it is left as it is"; return ;;
    esac
    lose_original
    if make && mount_patiently && return_rescued; then return; fi
    umount /run/data 2> /dev/null
    on_memory not-restored "the card no longer takes a file system, or what was copied to memory could not be written back"
}

# A factory reset was asked for, by a person who typed the words for it: attendance-reset.service, as root,
# wrote this file and nothing else. A system on trial erases nothing, and removes it (tmpfiles.d).
# A pipe in its place would never be read.
is_to_be_erased() {
    [ "$trial" != 1 ] && [ -f /run/data/factory-reset ] && [ ! -L /run/data/factory-reset ] \
        && [ "$(head -c 64 /run/data/factory-reset)" = "ERASE EVERYTHING" ]
}

# The data partition as freshly flashed. The request lies on what is erased, so it ends with it. The first 16
# blocks hold the superblock, then group descriptors, and room for more of them. Zeroed in this order: where
# the power goes in between, e2fsck restores them from their copies, and the request is found again. When all
# of them are zeros, the next start sees a fresh card. What the new file system leaves free goes first: an
# older one reached to the partition's end.
forget() {
    say "factory reset: erasing everything on the data partition"
    umount /run/data
    if zero_behind "$(size_to_make)" \
        && dd if=/dev/zero of="$data" bs=4096 count=1 conv=notrunc,fsync 2> /dev/null \
        && dd if=/dev/zero of="$data" bs=4096 count=15 seek=1 conv=notrunc,fsync 2> /dev/null; then
        # Nor does memory keep what a repair may have copied.
        make discard && mount_patiently && forget_copy && return
    fi
    on_memory no-file-system "the data partition could not be erased"
}

# The card takes no writes: nothing on it is touched.
run_from_copy() {
    [ "$trial" = 1 ] || with_replayed_journal || rescue
    on_memory read-only "the card takes no writes any more"
}

# What follows may destroy what is on the card: the copy in memory, if there is one, counts as the only one.
lose_original() { [ -z "$(ls /run/rescued 2> /dev/null)" ] || original=gone; }

sectors() { cat "/sys/class/block/$(basename "$1")/size"; }

# The partition table was made for the smallest card; move its end, and its backup, to this card's.
grow() {
    echo ', +' | sfdisk --quiet --no-reread --force -N 6 "/dev/$disk" > /run/sfdisk 2>&1 || while read -r line; do say "sfdisk: $line"; done < /run/sfdisk
    blockdev --rereadpt "/dev/$disk" || say "the partition table could not be read again"
    partition 6 && data=$device && [ "$(sectors "$data")" -gt $FLASHED ]
}

# Of a new file system, in blocks: room is left for the header of an encryption that may be asked for later.
size_to_make() {
    size=$(blocks "$data")
    [ -n "$raw" ] || [ "$size" -lt $((SPARE * 4)) ] || size=$((size - SPARE))
    echo "$size"
}

# To the end of the partition, which need not be a whole block.
zero_behind() {
    head -c $((($(sectors "$data") - $1 * 8) * 512)) /dev/zero | dd of="$data" bs=4096 seek="$1" conv=notrunc,fsync 2> /dev/null
}

# The features are named, and are those that every e2fsck and kernel of this appliance's versions knows: the
# file system outlives the system that made it. discard is left out: on old cards it takes minutes; only a
# factory reset asks for it, so that the card's own old content goes, too, if the card does as it is told. The
# rest of the inode tables is zeroed later, in the background.
make() {
    [ "$trial" = 1 ] && return 1
    mke2fs -q -F -t ext4 -L data -b 4096 -I 256 -E "${1:-nodiscard}" \
        -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum \
        "$data" "$(size_to_make)" > /run/mke2fs 2>&1 && no_longer_empty && return
    while read -r line; do say "mke2fs: $line"; done < /run/mke2fs
    return 1
}

# Whether what is written to the card can be read again. Cards at the end of their life refuse writes, or drop
# them without a word. The first sector of an ext4 belongs to nobody. A trial writes nothing: there the
# kernel's own answer has to do.
takes_writes() {
    [ "$(blockdev --getro "$data" 2> /dev/null)" != 1 ] || return
    [ "$trial" != 1 ] || return 0
    probe || { sleep 1; probe; } || { sleep 3; probe; }
}

probe() {
    printf '%-511s\n' "attendance: $(head -c 16 /dev/urandom | od -An -tx1)" > /run/probe
    dd if=/run/probe of="$data" bs=512 count=1 conv=notrunc,fsync 2> /dev/null || return
    blockdev --flushbufs "$data" 2> /dev/null
    dd if="$data" bs=512 count=1 2> /dev/null | cmp -s - /run/probe
}

# 0: the file system may be mounted; 1: it is damaged; 2: e2fsck did not run, was killed, had no memory, or
# does not know this kind of file system; 3: it could not read what it would have judged; 4: it may not write.
# e2fsck answers 0 (clean), 1 or 2 (repaired), 4 (not repaired), 8 (did not begin; its words say why); the
# shell 126 and more for the rest. `full` says whether a full repair was tried.
repair() {
    full=
    e2fsck -p "$data" > /run/e2fsck 2>&1
    judge $?
    verdict=$?
    case $verdict in 0 | 2 | 4) return $verdict ;; esac
    # mount_data ends the trial, and the committed system repairs.
    [ "$trial" != 1 ] || return $verdict
    repair_fully
}

repair_fully() {
    say "the data partition needs a full repair: copying to memory first what can be read"
    rescue
    full=1
    lose_original
    e2fsck -y -f "$data" > /run/e2fsck 2>&1
    judge $?
    verdict=$?
    [ $verdict = 3 ] || return $verdict
    # Where the superblock is damaged, e2fsck does not look for the copy. It lies where `make`
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
        *"peration not permitted"* | *"ermission denied"* | *"r/w access"* | *"ead-only file system"*) return 4 ;;
        *"short read"* | *"nput/output error"* | *"on-existent"*) return 3 ;;
        *"agic number"* | *uperblock* | *uper-block* | *escriptor* | *orrupt*) return 1 ;;
    esac
    # Without a word about damage, only the answer "not repaired" means some. Not so: in use, or made by a
    # later version.
    [ $(($1 & 4)) != 0 ] || return 2
    return 1
}

# Metadata of appended rows reaches the card within five seconds; the journal's own fsync does not wait for
# that. Where mount falls back to a read-only mount, that counts as none.
mount_ext4() {
    mount -t ext4 -o rw,noatime,nodev,nosuid,noexec,errors=remount-ro,commit=5 "$data" /run/data || return
    is_read_only || return 0
    umount /run/data
    return 1
}

folders_are_readable() {
    ! (cd /run/data && ls -a . kept etc etc/changes var var/changes var/changes/lib "$SERVICE" "$SERVICE/journal" update 2>&1 > /dev/null) \
        | grep -qv "No such file"
}

mount_patiently() { mount_ext4 || { sleep 1; mount_ext4; } || { sleep 5; mount_ext4; }; }

is_read_only() { grep -Eq ' /run/data ext4 ([^ ]*,)?(ro|emergency_ro)[, ]' /proc/mounts; }

# on_memory STATE WHY: the rescued copy, or else nothing, becomes /run/data. STATE is the word for
# /run/attendance-boot/memory.
on_memory() {
    [ "$trial" = 1 ] && give_up "$2"
    memory=$1
    say "FAILED: $2. This boot runs on memory."
    if [ -z "$(ls /run/rescued 2> /dev/null)" ]; then
        copy=none
        mount -t tmpfs -o mode=0755,size=40% tmpfs /run/data
        say "It has none of the card's settings and rows, and nothing it records survives a restart. Replace the card."
        return
    fi
    mount --move /run/rescued /run/data 2> /dev/null
    # Where it cannot be moved.
    if [ -n "$(ls /run/rescued)" ]; then
        mount -t tmpfs -o mode=0755,size=40% tmpfs /run/data
        cp -a /run/rescued/. /run/data/
    fi
    say "It has a copy ($copy) of the card's settings and rows: the door works and delivers. What is not delivered is lost with the power."
    [ "$original" = kept ] || say "The card holds these rows no longer: do not switch off before the page says that all are delivered."
    say "Replace the card."
}
