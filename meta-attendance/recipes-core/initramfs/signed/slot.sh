# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# ── Signed boot: a slot has boot.img and boot.sig in place of loose files (image/SIGNED_BOOT.md).
# steps/initramfs appends this to slot.sh in images that are built so; others stay as they are.

# Whether this board's firmware starts nothing but what is signed.
only_signed() { [ "$(number "$chosen/signed")" -gt 0 ] 2> /dev/null; }

# on_partition NUMBER FILE: as above; of a slot the file in boot.img. Loose files of a slot count as little as
# they do for the firmware: where there is a boot.img, or where only what is signed starts. A boot.img that is
# not the one in boot.sig is damaged. Who signed it the firmware alone can say.
on_partition() {
    mkdir -p /run/look /run/look-inside
    partition "$1" && mount -t vfat -o ro "$device" /run/look 2> /dev/null || return
    if [ "$1" = 1 ] || { [ ! -e /run/look/boot.img ] && ! only_signed; }; then
        cat "/run/look/$2" 2> /dev/null
    elif is_boot_img /run/look && mount -t vfat -o ro,loop /run/look/boot.img /run/look-inside 2> /dev/null; then
        cat "/run/look-inside/$2" 2> /dev/null
        umount /run/look-inside
    fi
    umount /run/look
}

# is_boot_img FOLDER: whether its boot.img is the one in its boot.sig.
is_boot_img() {
    [ -e "$1/boot.img" ] && [ -e "$1/boot.sig" ] || return
    sum=$(sha256sum < "$1/boot.img")
    [ "${sum%% *}" = "$(head -n 1 "$1/boot.sig")" ]
}

# As in other.sh, with the command line out of boot.img.
other_is_whole() {
    on_partition $((5 - booted)) cmdline.txt > /run/other-cmdline
    verity='' hash=''
    read_verity /run/other-cmdline
    [ -n "$hash" ] && partition $((7 - booted)) && open_root other "" || return
    cat /dev/mapper/other > /dev/null 2>&1
    whole=$?
    dmsetup remove other
    return $whole
}
