# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# The other slot, sourced by init: when a committed system that cannot start, or is corrupted, is replaced by
# it.
#
#   cannot be opened or mounted     init's give_up asks for the other slot
#   corrupted behind what a         from the fourth start on that did not get the service up
#   start reads first               (attendance.service removes the count), the root is read to its end; a bad
#                                   block in it asks for the other slot, too
#
# Starts are counted on the data partition; where nothing can be counted, nothing is asked.

# The other slot is asked for at the first failing start, and then again after every this many failing starts:
# two slots that both fail must not alternate without a pause.
ASK_EVERY=20
# Consecutive starts without the service before the root is read to its end. Reading takes seconds. Somebody
# who only switches the power off and on loses no more than that.
UNFINISHED=3

# count FILE: one more than the number in FILE of the updates' folder, written back; in `counted`. Fails where
# something else than a plain file stays in its place: a pipe would never be read or written.
count() {
    tidy_data
    mkdir -p /run/data/update
    set -- "/run/data/update/$1"
    ! is_there "$1" || is_plain "$1" || put_aside "$1" "no plain file"
    is_folder "${1%/*}" && { ! is_there "$1" || is_plain "$1"; } || return
    counted=$(head -c 9 "$1" 2> /dev/null | tr -cd 0-9 | sed 's/^0*//')
    counted=$((${counted:-0} + 1))
    echo $counted > "$1"
    sync
}

# Whether this committed root cannot be read to its end, asked only after failed starts.
is_corrupted() {
    [ "$trial" != 1 ] || return
    count unfinished-starts || return
    [ "$counted" -gt $UNFINISHED ] || return
    say "the last $((counted - 1)) starts did not get the service up: reading the system to its end"
    ! cat /dev/mapper/root > /dev/null 2>&1
}

# Whether it is the other slot's turn, and it is whole.
ask_other() {
    [ -n "$data" ] || return
    # Nothing is mounted over a copy of the data partition in memory.
    [ -z "${memory:-}" ] || return
    mkdir -p /run/data
    if ! grep -q ' /run/data ext4 ' /proc/mounts && ! mount_ext4; then
        # An encrypted card is opened by programs of the root, which may be what is corrupted. Starts are then
        # counted on its first partition.
        is_luks "$data" && partition 1 && mount -t vfat -o sync "$device" /run/data || return
    fi
    count failed-starts || return
    [ $((counted % ASK_EVERY)) = 1 ] || return
    other_is_whole || { say "the other slot holds no whole system"; return 1; }
}

# Every block of the other slot's root against the hash in its cmdline.txt: a firmware that is sent to an
# empty slot may stay there.
other_is_whole() {
    mkdir -p /run/other
    partition $((5 - booted)) && mount -t vfat -o ro "$device" /run/other || return
    verity=
    read_verity /run/other/cmdline.txt
    [ -e /run/other/config.txt ]
    complete=$?
    umount /run/other
    [ $complete = 0 ] && [ -n "$hash" ] && partition $((7 - booted)) && open_root other "" || return
    cat /dev/mapper/other > /dev/null 2>&1
    whole=$?
    dmsetup remove other
    return $whole
}

# Does not return: what follows would run without the data partition, and its rows would be lost.
restart_into_other() {
    say "restarting into the other slot, on trial"
    umount /run/data
    sleep 10
    restart "0 tryboot"
    reboot -f
}
