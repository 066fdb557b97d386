# shellcheck shell=sh disable=SC2034,SC2154
# Which slot this start came from, and what the board's EEPROM has to do with it. Sourced by init.
#
#   the firmware reports 2 or 3   that is the slot
#   it reports 0, or nothing      EEPROMs before 2024-05-13 do (rpi-eeprom #575). The kernel's own command
#                                 line names the root it belongs to: the slot whose cmdline.txt names the same
#                                 one is meant. Where both do (one version in both slots), autoboot.txt
#                                 decides, as it did for the firmware
#   neither decides               on a trial the machine restarts into the old system. Otherwise it waits,
#                                 with the reason on every console and on the card, because a restart would
#                                 change nothing

# The first EEPROM that reports the boot partition: 2024-05-13, as seconds since 1970.
REPORTS_PARTITION=1715558400

command_line=/proc/cmdline

HOW_TO_UPDATE="Start this board once from a card with Raspberry Pi OS and run: sudo rpi-eeprom-update -a"
IF_IT_FAILS="If the green LED then flashes 8 or 9 times, the board does not work with the new EEPROM: \
write a recovery card (Raspberry Pi Imager, Misc utility images) with the EEPROM that it had."

eeprom_date() { if [ -n "$eeprom" ]; then date -u -d "@$eeprom" "+of %Y-%m-%d"; else echo "of an unknown date"; fi; }

# find_slot: sets `booted` to 2 or 3, and `slot_found` where it was not the firmware that said so.
find_slot() {
    eeprom=$(number "$chosen/build-timestamp")
    slot_found=
    case $booted in
        2 | 3) return ;;
        '' | 0) ;;
        *) give_up "the firmware started boot partition $booted, which is not a slot of this card: only 2 and 3 are" ;;
    esac
    say "the board's EEPROM $(eeprom_date) does not report the boot partition: looking for this system on the card"
    booted=$(slot_by_files)
    [ -z "$booted" ] || { slot_found=1; say "this system is in boot partition $booted"; return; }
    if [ -n "$eeprom" ] && [ "$eeprom" -ge $REPORTS_PARTITION ]; then
        reason="The board's firmware does not say which boot partition it used, although its EEPROM $(eeprom_date) is new enough."
    else
        reason="The board's EEPROM $(eeprom_date) is older than 2024-05-13 and does not say which boot partition it used."
    fi
    reason="$reason The files on the card do not show it either."
    [ "$trial" != 1 ] || give_up "$reason"
    stay "$reason" "$HOW_TO_UPDATE" "$IF_IT_FAILS"
}

# slot_by_files: 2 or 3, if only one can be meant.
slot_by_files() {
    own=$(verity_word < "$command_line")
    [ -n "$own" ] || return
    candidates=
    for slot in 2 3; do
        [ "$(on_partition $slot cmdline.txt | verity_word)" != "$own" ] || candidates="$candidates$slot"
    done
    [ "$candidates" != 23 ] || candidates=$(on_partition 1 autoboot.txt | chosen_partition)
    case $candidates in 2 | 3) echo "$candidates" ;; esac
}

verity_word() { tr ' ' '\n' | sed -n 's/^attendance\.verity=//p'; }

# chosen_partition < autoboot.txt: what the firmware takes from it, for a trial or not.
chosen_partition() {
    wanted=$([ "$trial" = 1 ] && echo '[tryboot]' || echo '[all]')
    section='[all]'
    while read -r line; do
        case $line in
            '['*) section=$line ;;
            boot_partition=*) [ "$section" != "$wanted" ] || echo "${line#*=}" ;;
        esac
    done
}

# on_partition NUMBER FILE: a file of a FAT partition, on the standard output.
on_partition() {
    mkdir -p /run/look
    partition "$1" && mount -t vfat -o ro "$device" /run/look 2> /dev/null || return
    cat "/run/look/$2" 2> /dev/null
    umount /run/look
}

# on_card FILE: prints a file of the first partition. Call it once the data partition was found: by then the
# first partition is there, or does not exist, so nothing waits for it.
on_card() (patience=0 && on_partition 1 "$1")

# stay SENTENCE…: does not return.
stay() {
    tell_card "$@"
    while :; do
        goes_on
        for sentence in "$@"; do say "$sentence"; done
        sleep 60
    done
}

# For the watchdog: what happens here is no hang (watch in init).
goes_on() { : > /run/goes-on; }

# tell_card SENTENCE…: the card says it to a laptop, in the file where one would look.
tell_card() {
    mkdir -p /run/look
    if partition 1 && mount -t vfat -o sync "$device" /run/look; then
        {
            printf 'THIS CARD DID NOT START.\r\n\r\n'
            printf '%s\r\n\r\n' "$@"
        } > /run/look/attendance-status.txt
        umount /run/look
    fi
}
