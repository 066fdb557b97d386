# shellcheck shell=sh disable=SC2015,SC2034,SC2046,SC2086,SC2154
# The keys of an encrypted card, sourced by init beside card.sh: a TPM's, the network's (Tang), the recovery
# key.

tpm_answers() {
    enter_root
    # In this order: there is no udev that would load what it asks for.
    [ -c /dev/tpmrm0 ] || modprobe -aq spi-gpio tpm_tis_spi tpm-header
    deadline=$(($(uptime) + 10))
    until [ -c /dev/tpmrm0 ]; do
        [ "$(uptime)" -lt $deadline ] || { echo "no /dev/tpmrm0" > /run/card/said; return 1; }
        coldplug
        sleep 0.5
    done
}

# answers KIND [URL THUMBPRINT]
answers() {
    enter_root
    case $1 in
        tpm) tpm_answers ;;
        network) network_up && echo probe | in_root clevis encrypt tang "{\"url\":\"$2\",\"thp\":\"$3\"}" > /run/card/probe 2> /run/card/said ;;
        *) false ;;
    esac
}

# By cable, address by DHCP: nothing of the site's network settings lies outside of the encrypted partition.
network_up() {
    [ ! -s /run/systemd/resolve/stub-resolv.conf ] || return 0
    mkdir -p /run/systemd/resolve
    coldplug
    for link in /sys/class/net/*; do
        [ "$(cat "$link/type")" = 1 ] && [ ! -e "$link/wireless" ] || continue
        name=${link##*/}
        ip link set "$name" up
        udhcpc -i "$name" -n -q -f -t 6 -T 2 -s /dhcp > /dev/null 2>&1 && return
        ip link set "$name" down
    done
    return 1
}

network_down() {
    [ -d /run/systemd/resolve ] || return 0
    rm -r /run/systemd
    for link in /sys/class/net/*; do
        [ "$(cat "$link/type")" != 1 ] || { ip addr flush dev "${link##*/}"; ip link set "${link##*/}" down; }
    done
}

# The kinds of key that the header names: one, or two where the power went while one took the other's place.
bound() {
    enter_root
    in_root cryptsetup luksDump "$raw" > /run/card/dump 2> /dev/null
    sed -n 's/^  [0-9]*: systemd-tpm2$/tpm/p; s/^  [0-9]*: clevis$/network/p' /run/card/dump
}
clevis_token() { sed -n 's/^  \([0-9]*\): clevis$/\1/p' /run/card/dump | head -n 1; }

# Writes the passphrase that the network's key decrypts to /run/card/network.
network_key() {
    bound > /dev/null
    network_up && in_root cryptsetup token export --token-id "$(clevis_token)" "$raw" | in_root jose fmt -j- -Og jwe -o- \
        | in_root jose jwe fmt -i- -c | in_root clevis decrypt > /run/card/network 2> /run/card/said && [ -s /run/card/network ]
}

# open_by KIND [OPTIONS …]
open_by() {
    by=$1
    shift
    [ "$(blockdev --getro "$raw" 2> /dev/null)" != 1 ] || set -- --readonly "$@"
    case $by in
        tpm) tpm_answers && crypt open --token-only --token-type systemd-tpm2 "$@" "$raw" data ;;
        # Without the tokens: cryptsetup tries them before a key file.
        network) network_key && crypt open --disable-external-tokens --key-file /run/card/network "$@" "$raw" data ;;
        recovery) crypt open --disable-external-tokens --key-file /run/card/recovery "$@" "$raw" data ;;
        setup) in_root cryptsetup open --batch-mode --disable-external-tokens --key-file /run/card/setup "$@" "$raw" data > /run/card/said 2>&1 ;;
        *) false ;;
    esac
}

# The recovery key that a person put on the card: in a file of that name, whatever a laptop's editor added.
recovery_file() {
    { on_card recovery-key.txt | grep . || on_card recovery-key.txt.txt; } | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z-' > /run/card/recovery
    [ -s /run/card/recovery ]
}

# Gone from the card once it was used; where the card does not take that, the start goes on.
forget_recovery_file() {
    mkdir -p /run/look
    partition 1 && mount -t vfat -o sync "$device" /run/look || return
    for file in /run/look/recovery-key.txt*; do
        size=$(stat -c %s "$file") && dd if=/dev/zero of="$file" bs="$size" count=1 conv=notrunc,fsync 2> /dev/null
        rm -f "$file"
    done
    umount /run/look
}

try_to_open() {
    opened_by=
    kinds=$(bound)
    if open_by setup; then
        opened_by=setup
    elif recovery_file && open_by recovery; then
        opened_by=recovery
    else
        # What the tries before said is not why this one fails.
        : > /run/card/said
        for kind in $kinds; do ! open_by "$kind" || { opened_by=$kind; break; }; done
    fi
    [ -n "$opened_by" ]
}

# ── Binding

# After the data partition was mounted: what is still to be done about its key, and what the program wants to
# know.
finish_card() {
    card_state=plain
    [ -z "$missing" ] || card_state=unknown
    card_kind=
    card_uuid=
    if [ -n "$raw" ]; then
        card_state=encrypted
        card_uuid=$(in_root cryptsetup luksUUID "$raw")
        was_opened_by=$opened_by
        [ "$trial" = 1 ] || [ -n "$memory" ] || bind_key
        [ "$was_opened_by" != recovery ] || forget_recovery_file
        card_kind=$(bound | head -n 1)
        ! open_by setup --test-passphrase || card_state=unlocked
    fi
    leave_root
}

bind_key() {
    [ -z "${wanted:-}" ] || { echo "$wanted" > /run/data/card-key; sync; }
    set -- $(wanted_of_data)
    case $opened_by in
        setup) ;;
        # This board's TPM, or this server, from now on.
        recovery) [ -n "${1:-}" ] || return 0 ;;
        *)
            seen_recovery_key || new_recovery_key
            return ;;
    esac
    [ -n "${1:-}" ] || return 0
    answers "$@" || { card_problem=no-answer; say "$(no_answer "$1")"; return; }
    bind_"$1" "$@" && open_by "$1" --test-passphrase && unbind_other "$1" || { card_problem=not-bound; say "the key could not be bound to the card"; return; }
    [ "$opened_by" = recovery ] || new_recovery_key || { card_problem=not-bound; return; }
    [ "$opened_by" != setup ] || crypt luksKillSlot "$raw" 0
    opened_by=$1
}

# The passphrase or the option by which the card can be opened now.
unlocked_by() {
    case $opened_by in
        tpm) echo --unlock-tpm2-device=auto ;;
        *) echo --unlock-key-file=/run/card/"$opened_by" ;;
    esac
}

# After a recovery with another kind of key: the one before opens the card no longer.
unbind_other() { case $1 in tpm) unbind_network ;; *) unbind_tpm ;; esac; }
unbind_tpm() { aloud in_root systemd-cryptenroll --wipe-slot=tpm2 "$raw"; }
unbind_network() {
    bound > /dev/null
    old=$(clevis_token)
    # Also a slot without its token, of a try that the power ended.
    in_root cryptsetup --batch-mode luksKillSlot "$raw" 6 < /dev/null > /run/card/said 2>&1
    [ -z "$old" ] || crypt token remove --token-id "$old" "$raw"
}

# The key is bound to no register (PCR) of the TPM, because no Raspberry Pi measures what it starts. The key
# slot of another TPM is removed first, because systemd would take it for this one's.
bind_tpm() {
    unbind_tpm && aloud in_root systemd-cryptenroll "$(unlocked_by)" --tpm2-device=auto --tpm2-pcrs= "$raw"
}

# bind_network network URL THUMBPRINT: a random passphrase, in a token as clevis's own tools make it.
bind_network() {
    unbind_network || return
    head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > /run/card/network
    in_root clevis encrypt tang "{\"url\":\"$2\",\"thp\":\"$3\"}" < /run/card/network 2> /run/card/said | in_root jose jwe fmt -i- > /run/card/jwe || return
    [ -s /run/card/jwe ] || return
    crypt luksAddKey --key-file "/run/card/$opened_by" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --new-key-slot 6 "$raw" /run/card/network || return
    printf '{"type":"clevis","keyslots":["6"],"jwe":%s}' "$(cat /run/card/jwe)" > /run/card/token
    crypt token import --json-file /run/card/token "$raw"
}

# Somebody has said on the page that they have written down this card's recovery key.
# The folder is the service's: what is no plain file there is not read (a pipe would never end).
seen_recovery_key() {
    seen=/run/data/var/changes/lib/attendance/card/recovery-key-seen
    is_plain $seen && is_in_place $seen && [ "$(head -c 64 $seen)" = "$card_uuid" ]
}

# Made again at each start until it was seen. In memory only, for the program, which shows it; never in the
# log.
new_recovery_key() {
    mkdir -p /run/attendance-boot
    (umask 077; in_root systemd-cryptenroll "$(unlocked_by)" --wipe-slot=recovery --recovery-key "$raw" > /run/attendance-boot/recovery-key 2> /run/card/said)
    [ -s /run/attendance-boot/recovery-key ] && return
    rm -f /run/attendance-boot/recovery-key
    say "no recovery key could be made"
    return 1
}

