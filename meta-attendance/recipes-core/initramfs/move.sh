# shellcheck shell=sh disable=SC2015,SC2034,SC2046,SC2086,SC2154
# How a plain data partition moves over to LUKS2, sourced by init beside card.sh, which says when.
#
#   1. all of the partition is read, and e2fsck checks all of the file system: a card that fails there stays
#      as it is. A file system that does not end 32 MiB before the partition does is made smaller. Before
#      that, what resize2fs will overwrite is saved in moving.undo on the first partition, for a rollback
#      by e2undo
#   2. cryptsetup prepares its header on a snapshot in memory. Three parts are then written, each flushed
#      before the next: the first 16 MiB to the partition's end, a copy of the header before them, the header
#      to the beginning. Then the copy is removed. A start that finds the copy writes the header again
#   3. cryptsetup encrypts from the end to the beginning, into the space that step 2 made free. Its header
#      says how far it is
#   4. the key is bound, as on a fresh card

# move_over: whether the plain, mounted data partition was taken away to move; mount_data comes next.
move_over() {
    [ -z "$raw$memory" ] && [ "$trial" != 1 ] && [ -n "$data" ] || return
    set -- $(wanted_of_data)
    [ -n "${1:-}" ] || return
    can_encrypt || return
    say "card.key asks for an encrypted card, and this one is plain"
    if ! other_knows_luks; then
        card_problem=other-system
        say "the other slot holds a version that does not know encrypted cards: install one more update first"
        return 1
    fi
    if ! answers "$@"; then
        card_problem=no-answer
        say "$(no_answer "$1")"
        return 1
    fi
    has_room || { card_problem=no-room; return 1; }
    can_be_read || { card_problem=not-begun; return 1; }
    umount /run/data || return
    goes_on
    shrink && begin_moving
    return 0
}

leaves_room() { [ "$(fs_blocks "$data")" -le $(($(blocks "$data") - SPARE)) ]; }

# Twice what has to become free: resize2fs moves more than files.
has_room() { leaves_room || [ "$(stat -f -c %f /run/data)" -gt $((SPARE * 2)) ]; }

# Whether every block of the partition can be read: what cannot would stop the encryption half-way. This takes
# long, so a card that failed is not asked again.
can_be_read() {
    [ ! -e /run/data/card-cannot-be-read ] || return
    say "reading all of the card first: this takes minutes"
    at=0
    while [ $((at * 2048)) -lt "$(sectors "$data")" ]; do
        goes_on
        if ! dd if="$data" of=/dev/null bs=1048576 skip=$at count=64 2> /dev/null; then
            say "a block of the card cannot be read: it is not encrypted. Use another card"
            echo $at > /run/data/card-cannot-be-read
            sync
            return 1
        fi
        at=$((at + 64))
    done
}

# Whether the other slot is empty, or its system opens encrypted cards: on a board whose firmware goes to the
# other slot by itself, an older system would take this card for a damaged one.
other_knows_luks() {
    [ -n "$(on_partition $((5 - booted)) cmdline.txt | tr ' ' '\n' | sed -n 's/^attendance.verity=//p')" ] || return 0
    on_partition $((5 - booted)) cmdline.txt | tr ' ' '\n' | grep -qx attendance.card=luks2
}

fs_blocks() { echo $(($(dd if="$1" bs=1024 skip=1 count=1 2> /dev/null | od -An -tu4 -j 4 -N 4))); }
is_ext4() { [ "$(dd if="$1" bs=1024 skip=1 count=1 2> /dev/null | od -An -tx2 -j 56 -N 2 | tr -d ' ')" = ef53 ]; }

# Step 1. It is tried on a snapshot in memory first. resize2fs then saves there what it would overwrite, and
# this copy is complete on the first partition before the file system itself is changed.
shrink() {
    e2fsck -f -p "$data" > /run/e2fsck 2>&1
    if [ $? -gt 1 ]; then
        card_problem=not-begun
        say "e2fsck: $(tail -n 1 /run/e2fsck)"
        return 1
    fi
    ! leaves_room || return 0
    say "making room for the header of the encryption"
    if take_snapshot && aloud resize2fs -z /run/moving.undo /dev/mapper/moving $(($(blocks "$data") - SPARE)); then
        drop_snapshot
        keep_undo && aloud resize2fs "$data" $(($(blocks "$data") - SPARE))
        result=$?
    else
        drop_snapshot
        result=1
    fi
    rm -f /run/moving.undo
    sync
    blockdev --flushbufs "$data"
    if [ $result != 0 ]; then
        card_problem=no-room
        undo_shrinking
        return 1
    fi
    forget_undo
}

# The partition as /dev/mapper/moving, which can be written to; what is written stays in memory.
take_snapshot() {
    enter_root
    modprobe -q brd rd_nr=1 rd_size=131072
    modprobe -q dm-snapshot
    dmsetup create moving --table "0 $(sectors "$data") snapshot $data /dev/ram0 N 8" > /run/dmsetup 2>&1 && dmsetup mknodes
}

drop_snapshot() {
    dmsetup remove moving > /run/dmsetup 2>&1
    modprobe -q -r brd
}

# Which file system on which card moving.undo is of: its UUID, and the partition's size.
undo_is_of() { echo "$(dd if="$data" bs=1024 skip=1 count=1 2> /dev/null | od -An -tx1 -j 104 -N 16 | tr -d ' \n') $(sectors "$data")"; }

# Under its name only when it is whole.
keep_undo() {
    mkdir -p /run/look
    partition 1 && mount -t vfat "$device" /run/look || return
    undo_is_of > /run/look/moving.of && cp /run/moving.undo /run/look/moving.part && sync && mv /run/look/moving.part /run/look/moving.undo && sync
    kept=$?
    [ $kept = 0 ] || rm -f /run/look/moving.part
    umount /run/look
    return $kept
}

# Only a partition that was not mounted since may be rolled back. So a start that cannot remove the file waits
# here and does not mount it.
forget_undo() {
    partition 1 && mount -t vfat -o sync "$device" /run/look && rm -f /run/look/moving.undo /run/look/moving.of
    umount /run/look
    [ -z "$(on_card moving.undo | head -c 1)" ] || stay "The card's first drive takes no writes, and moving.undo has to be removed from it before this card may start." "Remove the file moving.undo with a laptop."
}

undo_shrinking() {
    [ -n "$(on_card moving.undo | head -c 1)" ] || return 0
    [ "$trial" != 1 ] || give_up "the card is being encrypted, which a system on trial leaves alone"
    if [ "$(on_card moving.of)" != "$(undo_is_of)" ]; then
        say "moving.undo on the first drive is of another card: it is not used"
        return
    fi
    say "the power failed while room was made on the card: rolling back"
    mkdir -p /run/look
    partition 1 && mount -t vfat -o ro "$device" /run/look
    e2undo -f /run/look/moving.undo "$data" > /run/e2undo 2>&1 && sync
    undone=$?
    umount /run/look
    [ $undone = 0 ] || stay "The file system of this card was being made smaller, and that cannot be rolled back: $(tail -n 1 /run/e2undo)" \
        "Switch off and on to try again. Leave moving.undo on the card's first drive: without it this cannot be rolled back."
    forget_undo
}

# Step 2.
begin_moving() {
    end=$(blocks "$data")
    # Of the partition, in sectors: where cryptsetup puts what the header displaces.
    first_at=$(($(sectors "$data") - HEADER * 8))
    take_snapshot \
        && crypt reencrypt --encrypt --init-only --type luks2 --reduce-device-size 32M --key-file /run/card/setup --pbkdf pbkdf2 \
            --pbkdf-force-iterations 1000 --cipher aes-xts-plain64 --key-size 512 --sector-size 512 --luks2-metadata-size 32k /dev/mapper/moving \
        && dd if=/dev/mapper/moving of=/run/card/header bs=4096 count=$HEADER 2> /dev/null \
        && dd if=/dev/mapper/moving of=/run/card/first bs=512 count=$((HEADER * 8)) skip=$first_at 2> /dev/null
    result=$?
    drop_snapshot
    if [ $result != 0 ]; then card_problem=not-begun; say "the card could not be prepared for its encryption"; return; fi
    # What an earlier use of the card left there must not be taken for the copy.
    if ! dd if=/dev/zero of="$data" bs=4096 count=1 seek=$((end - SPARE)) conv=notrunc,fsync 2> /dev/null || ! mark_luks; then
        card_problem=not-begun
        say "the card takes no writes"
        return
    fi
    say "encrypting the card; the power may go at any time, and the next start goes on"
    dd if=/run/card/first of="$data" bs=512 seek=$first_at conv=notrunc,fsync 2> /dev/null \
        && dd if=/run/card/header of="$data" bs=4096 skip=1 seek=$((end - SPARE + 1)) conv=notrunc,fsync 2> /dev/null \
        && dd if=/run/card/header of="$data" bs=4096 count=1 seek=$((end - SPARE)) conv=notrunc,fsync 2> /dev/null \
        || { card_problem=not-begun; say "the card takes no writes"; }
    rm -f /run/card/header /run/card/first
    # restore_header, which comes next, writes the header to its place.
}

# Restores the copy of a header that step 2 left, and never the content of a file that happens to lie there.
restore_header() {
    end=$(blocks "$data")
    copy_at=$((end - SPARE))
    [ -z "$fresh" ] && is_marked_luks && [ $copy_at -gt $SPARE ] && [ "$(bytes "$data" $((copy_at * 4096)) 6)" = 4c554b53babe ] || return 0
    # Its superblock is the last thing that the header is written over.
    plain=
    if is_ext4 "$data"; then
        [ "$(fs_blocks "$data")" -le $copy_at ] || return 0
        plain=1
    fi
    dd if="$data" of=/run/header bs=4096 skip=$copy_at count=$HEADER 2> /dev/null
    uuid=$(in_root cryptsetup luksUUID /run/header 2> /dev/null)
    if [ -n "$uuid" ] && { [ -n "$plain" ] || ! is_luks "$data" || [ "$(in_root cryptsetup luksUUID "$data" 2> /dev/null)" = "$uuid" ]; }; then
        [ "$trial" != 1 ] || give_up "the card is being encrypted, which a system on trial leaves alone"
        write_header /run/header "$data" 1 && write_header /run/header "$data" 0 1 \
            && dd if=/dev/zero of="$data" bs=4096 count=1 seek=$copy_at conv=notrunc,fsync 2> /dev/null || broken "The card takes no writes." "Its encryption has begun, and the next start goes on."
    fi
    rm -f /run/header
}

is_moving() {
    bound > /dev/null
    grep -q '^Requirements:.*reencrypt' /run/card/dump
}

# Step 3.
keep_moving() {
    goes_on
    say "encrypting the card: this takes long, and must not be hurried; the power may go, and the next start goes on"
    # What a power cut left in the middle of a step.
    crypt repair --key-file /run/card/setup "$raw"
    # In batch mode it would not say how far it is. With --resume-only it asks nothing.
    in_root cryptsetup reencrypt --resume-only --key-file /run/card/setup --progress-frequency 10 "$raw" 2>&1 < /dev/null \
        | tr '\r' '\n' | while read -r line; do [ -z "$line" ] || { goes_on; say "encrypting the card: $line"; }; done
    is_moving || say "the card is encrypted"
}

# It did not go on. What is there can be read by the passphrase that is not secret, and the door works with a
# copy (takes_writes).
read_half_moved() {
    card_problem=not-begun
    open_by setup && data=$(opened) && blockdev --setro "$data" \
        || broken "The encryption of this card did not go on: the card may be at its end." "A part of it is encrypted, and cannot be read."
    opened_by=setup
}
