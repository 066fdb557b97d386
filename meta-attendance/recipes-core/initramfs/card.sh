# shellcheck shell=sh disable=SC2015,SC2034,SC2046,SC2086,SC2154
# The data partition's encryption (`card.key`), sourced by init. The cryptography is cryptsetup's, systemd's
# and clevis's, which lie in the root: it is open, and checked by dm-verity, before the data partition is
# mounted.
#
#   plain                  nothing here touches it, unless /data/card-key asks for a key: then it moves over
#   fresh, with card.key   LUKS2 from the beginning. Where its key does not answer, or the image has no
#   on the card            programs for it, the start stays: nothing is written in plain that was to be
#                          encrypted
#   LUKS2                  opened by the key that its header names, or by recovery-key.txt on the card's first
#                          partition. Where neither opens it, the start stays, says so on every console and in
#                          attendance-status.txt, and asks again each half minute. Nothing is made over it
#   moving over            goes on, however often the power goes
#   any but plain and      on a trial: the trial is over
#   opened, on a trial
#
# Until its key is bound, the header of a card that moves over has one more key slot, number 0, whose
# passphrase is not secret (SETUP): the power may go at any step, and the next start goes on. It is removed
# when the key has opened the card.

SETUP="attendance: no key is bound to this card yet"
# Sectors have 512 bytes: a partition that takes the rest of a card need not end at a multiple of 4096.
# What LUKS2's header takes, and what a file system leaves free at its partition's end, so that the partition
# can move over. In 4 KiB blocks.
HEADER=4096
SPARE=8192
# A partition's type: with LUKS, and without. It is set when a header is whole, and before a plain partition
# begins to move: one whose header reads as zeros, or as nothing, is then not taken for an empty one.
LUKS_TYPE=CA7D7CCB-63ED-4C53-861C-1742536059CC
LINUX_TYPE=0FC63DAF-8483-4772-8E79-3D69D8477DE4

# The encrypted partition itself; `data` is then what was opened in it.
raw=
# What opened it: tpm, network, recovery or setup.
opened_by=
# What could not be done, for the program: see /run/attendance-boot/card in init.
card_problem=
stayed=
wanted=

# The root as a place to run programs in, until leave_root.
enter_root() {
    [ ! -d /run/card ] || return 0
    mkdir -m 700 /run/card
    mkdir /run/card/bin
    for folder in dev proc sys run; do mount --bind "/$folder" "/root/$folder"; done
    # What udev makes later; clevis is written for bash.
    [ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
    cp /bin/busybox /run/card/bin/wget
    cp /curl /run/card/bin/curl
    printf %s "$SETUP" > /run/card/setup
    chmod 600 /run/card/setup
}

# in_root PROGRAM …: with the root's programs, in a folder that cryptsetup can write to.
in_root() {
    enter_root
    # The layer's env is busybox's, which changes no folder.
    chroot /root /usr/bin/env -i PATH=/run/card/bin:/usr/sbin:/usr/bin TMPDIR=/run/card DM_DISABLE_UDEV=1 sh -c 'cd /run/card && exec "$@"' in_root "$@"
}

# aloud COMMAND …: what it says, on the console where it fails. Never a key: what prints one is not called so.
aloud() {
    "$@" < /dev/null > /run/card/said 2>&1 && return
    tr '\r' '\n' < /run/card/said | tail -n 5 | while read -r line; do say "$line"; done
    return 1
}

crypt() { aloud in_root cryptsetup --batch-mode "$@"; }

leave_root() {
    [ -d /run/card ] || return 0
    network_down
    for folder in dev proc sys run; do umount "/root/$folder"; done
    rm -rf /run/card
}

# bytes DEVICE OFFSET COUNT, as hexadecimal.
bytes() { dd if="$1" bs=4096 skip=$(($2 / 4096)) count=1 2> /dev/null | head -c "$3" | od -An -tx1 | tr -d ' \n'; }
blocks() { echo $(($(sectors "$1") / 8)); }

# The first header's magic, or the second's, which takes its place; it lies at 32 KiB (or 16, by cryptsetup's
# own choice).
is_luks() {
    [ "$(bytes "$1" 0 6)" = 4c554b53babe ] || [ "$(bytes "$1" 32768 6)" = 534b554cbabe ] || [ "$(bytes "$1" 16384 6)" = 534b554cbabe ]
}
mark() { sfdisk --quiet --no-reread --force --part-type "/dev/$disk" 6 "$1" > /run/sfdisk 2>&1; }
mark_luks() { mark $LUKS_TYPE && is_marked_luks; }
is_marked_luks() { [ "$(sfdisk --part-type "/dev/$disk" 6 2> /dev/null)" = $LUKS_TYPE ]; }

# An image without the programs for it.
can_encrypt() {
    [ ! -x /root/usr/sbin/cryptsetup ] || return 0
    card_problem=not-begun
    say "card.key asks for an encrypted card, and this image cannot make one"
    return 1
}

# Which key is asked for: `tpm`, or `network URL THUMBPRINT`; nothing for a plain card. On a fresh card the
# program in the root reads this from the settings on the card's first partition; later, the program has left
# it on the data partition. `unreadable`: the program cannot read the settings, and they contain the word
# `card`. Settings that it cannot read and that do not contain it mean a plain card.
wanted_on_card() {
    enter_root
    # The second is Notepad's.
    for name in attendance.toml attendance.toml.txt; do
        on_card $name > /run/settings.toml
        [ -s /run/settings.toml ] || continue
        key=$(in_root attendance card-key --settings /run/settings.toml 2> /run/card/said) \
            || ! tr -d '\0' < /run/settings.toml | grep -Eq '^[[:space:]]*(\[[[:space:]]*)?card[[:space:]]*[].]' || key=unreadable
        [ -z "$key" ] || { echo "$key"; break; }
    done
    rm -f /run/settings.toml
}
wanted_of_data() { ! is_plain /run/data/card-key || head -c 600 /run/data/card-key | head -n 1; }

# open_card: before anything is mounted. `data` is then the opened one; `fresh` stays set where there is no
# file system in it yet.
open_card() {
    raw=
    undo_shrinking
    restore_header
    [ -n "$fresh" ] || ! is_half_made || fresh=1
    if is_marked_luks && ! is_luks "$data"; then
        # Plain yet: the power went before anything was moved.
        is_ext4 "$data" || broken "The header of the encrypted card is damaged: nothing can open it any more." "Nothing on the card was changed."
        [ "$trial" = 1 ] || mark "$LINUX_TYPE"
    fi
    if [ -n "$fresh" ]; then
        set -- $(wanted_on_card)
        [ -n "${1:-}" ] || return 0
        [ "$trial" != 1 ] || give_up "a system on trial makes no encrypted card"
        can_encrypt || stay "The settings on the card's first drive ask for an encrypted card, and this system has no programs to make one." \
            "Nothing was written to the card yet. Without card.key in attendance.toml the card is not encrypted."
        until answers "$@" && make_header "$@"; do stay_a_while "$(no_answer "$1")" "Nothing was written to the card yet. Without card.key in attendance.toml the card is not encrypted."; done
        wanted=$*
        write_whole_header && mark_luks || give_up "LUKS2 could not be made on $data"
    elif ! is_luks "$data"; then
        return 0
    fi
    raw=$data
    # Where the power went between the header and its mark.
    [ "$trial" = 1 ] || is_marked_luks || mark_luks || say "the partition table takes no writes"
    if is_moving; then
        [ "$trial" != 1 ] || give_up "the card is being encrypted, which a system on trial leaves alone"
        keep_moving
        if is_moving; then
            read_half_moved
            return
        fi
    fi
    if ! try_to_open; then
        [ "$trial" != 1 ] || { sleep 5; try_to_open; } || { sleep 20; try_to_open; } || give_up "this system cannot open the encrypted card"
        # The next try may find it, or a recovery key.
        until [ -n "$opened_by" ] || try_to_open; do
            stay_a_while "$(no_answer "$(bound | head -n 1)")" "Nothing on the card was changed, and nothing is lost." \
                "To open it without that: switch off, write the recovery key into a file named recovery-key.txt on the card's first drive (ATTENDANCE), and start again."
        done
    fi
    data=$(opened)
    [ -z "$(is_empty)" ] || fresh=1
}

opened() { echo "/dev/$(dmsetup info -c --noheadings -o blkdevname data)"; }

no_answer() {
    case $1 in
        tpm) echo "This card is encrypted with a key from a TPM, and the TPM of this board does not give it: it does not answer, or it is another one." ;;
        network) echo "This card is encrypted with a key from the network, and the Tang server does not give it: the cable, DHCP or the server does not answer, or it has other keys." ;;
        unreadable) echo "The settings on the card's first drive ask for an encrypted card, and this system cannot read them." ;;
        *) echo "This card is encrypted, and this system knows none of its keys." ;;
    esac
}

# There is a header, and nothing was made in it yet.
is_empty() { sed -n 's/^Subsystem:[[:space:]]*attendance-empty$/1/p' /run/card/dump; }
no_longer_empty() { [ -z "$raw" ] || crypt config --subsystem attendance "$raw"; }

# The power went while the second header of a fresh card was written: zeros before it, and cryptsetup, which
# runs, cannot read it. No mark: nothing was ever made in it.
is_half_made() {
    [ "$(bytes "$data" 32768 6)" = 534b554cbabe ] && ! is_marked_luks && [ "$(head -c 32768 "$data" | tr -cd '\0' | wc -c)" = 32768 ] \
        && in_root cryptsetup --version > /dev/null 2>&1 && ! in_root cryptsetup luksUUID "$data" > /dev/null 2>&1
}

# make_header KIND [URL THUMBPRINT]: a new header, in memory, with its key bound: the passphrase that is not
# secret never lies on the card.
make_header() {
    raw=/run/card/header
    opened_by=setup
    rm -f $raw
    dd if=/dev/zero of=$raw bs=1048576 count=0 seek=24 2> /dev/null
    crypt luksFormat --type luks2 --key-file /run/card/setup --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --cipher aes-xts-plain64 \
        --key-size 512 --sector-size 512 --luks2-metadata-size 32k --subsystem attendance-empty $raw \
        && bind_"$1" "$@" && open_by "$1" --test-passphrase && crypt luksKillSlot $raw 0
}

# Flushed in this order: key slots, second header, first header; then the mark. If the power fails in between,
# either there are zeros in the first header's place and no second header (a fresh card), or one header is
# complete.
write_whole_header() {
    write_header $raw "$data" 16 && write_header $raw "$data" 8 8 && write_header $raw "$data" 0 8 && rm $raw
}

# write_header FILE DEVICE BLOCK [COUNT]: that part of the header to its place.
write_header() {
    dd if="$1" of="$2" bs=4096 skip="$3" seek="$3" count="${4:-$((HEADER - $3))}" conv=notrunc,fsync 2> /dev/null
}

# stay_a_while SENTENCE …: says it, on the card, too, and waits. The machine is not restarted meanwhile.
stay_a_while() {
    for sentence in "$@"; do say "$sentence"; done
    [ ! -s /run/card/said ] || say "what was said last: $(tail -n 1 /run/card/said)"
    goes_on
    if [ -z "$stayed" ]; then
        stayed=1
        tell_card "$@"
    fi
    sleep 30
}

# broken WHAT STATE: does not return.
broken() {
    [ "$trial" != 1 ] || give_up "$1"
    stay "$1" "$2 An export of this device, imported on a new card, brings its rows, photos and settings back."
}

