# shellcheck shell=sh disable=SC1090,SC1091,SC2016,SC2034,SC2086,SC2154,SC2317
# What luks-test and move-test have in common: card.sh, key.sh and move.sh with real LUKS2 headers in files.
# No device mapper, no TPM and no server are needed for them; the programs that ask for a key are played. /run
# is scratch. A failing line is printed.
set -u
mount -t tmpfs tmpfs /run || exit 1
bad=0
case=
check() { eval "$1" || { echo "gate: card.sh: $case: not true: $1" >&2; bad=1; }; }
recipe=$(dirname "$0")/../../meta-attendance/recipes-core/initramfs
. "$recipe/data.sh"
. "$recipe/etc.sh"
. "$recipe/slot.sh"
. "$recipe/card.sh"
. "$recipe/key.sh"
. "$recipe/move.sh"

MB=80
say() { echo "$*" >> /run/said; }
sectors() { echo $((MB * 2048)); }
blockdev() { :; }
partition() { device=/run/partition; }
on_partition() { cat "/run/first/$2" 2> /dev/null; }
tell_card() { :; }
mount() { command mount --bind /run/first /run/look; }
sleep() { exit 8; }
give_up() { say "given up: $*"; exit 9; }
stay() { say "stays: $*"; exit 7; }
is_marked_luks() { [ -e /run/marked ]; }
mark() { case $1 in "$LUKS_TYPE") touch /run/marked ;; *) rm -f /run/marked ;; esac; }
enter_root() { mkdir -p /run/card && printf %s "$SETUP" > /run/card/setup; }
in_root() {
    enter_root
    case $1 in systemd-cryptenroll) shift; systemd_cryptenroll "$@" ;; *) "$@" ;; esac
}
leave_root() { :; }
can_encrypt() { :; }
attendance() { sed -n 's/^key = "\(.*\)"$/\1/p' "$3"; }
answers() { [ "$1" != unreadable ] && [ -n "$answering" ]; }
dmsetup() { echo opened; }
tpm_answers() { [ -n "$answering" ]; }
network_up() { [ -n "$answering" ]; }
# cryptsetup encrypts a file.
resume=--force-offline-reencrypt
# Stands in for cryptsetup: says whether a key would open the card, and maps nothing. /run/tpm has what the
# board's TPM gives; /run/tang exists if the server is there.
cryptsetup() {
    case " $* " in
        *" --token-type systemd-tpm2 "*) set -- open --test-passphrase --key-slot 5 --key-file /run/tpm "$raw" ;;
        *" --test-passphrase "*) ;;
        *" --resume-only "*) set -- "$@" "$resume" ;;
        *" open "*) set -- "$@" --test-passphrase ;;
    esac
    command cryptsetup "$@"
}
add_key() { command cryptsetup luksAddKey -q "$1" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --new-key-slot "$2" "$raw" "$3"; }
TPM_TOKEN='{"type":"systemd-tpm2","keyslots":["5"],"tpm2-blob":"","tpm2-pcrs":[],"tpm2-policy-hash":""}'
token_of_tpm() { command cryptsetup luksDump "$raw" | sed -n 's/^  \([0-9]*\): systemd-tpm2$/\1/p'; }
systemd_cryptenroll() {
    case "$*" in
        --wipe-slot=tpm2*)
            [ -n "$(token_of_tpm)" ] || return 0
            command cryptsetup luksKillSlot -q "$raw" 5 && command cryptsetup token remove --token-id "$(token_of_tpm)" "$raw"
            ;;
        *--tpm2-device=auto*)
            add_key "--key-file=${1#--unlock-key-file=}" 5 /run/tpm \
                && echo "$TPM_TOKEN" | command cryptsetup token import "$raw"
            ;;
        *--recovery-key*)
            printf %s "${recovery:=abcdefgh-ijklmnop}" > /run/new-recovery
            command cryptsetup luksKillSlot -q "$raw" 4 2> /dev/null
            case $1 in --unlock-tpm2*) set -- --unlock-key-file=/run/tpm ;; esac
            add_key "--key-file=${1#--unlock-key-file=}" 4 /run/new-recovery && cat /run/new-recovery
            ;;
    esac
}
clevis() { [ -e /run/tang ] && cat; }
jose() {
    case "$*" in
        fmt*) sed 's/.*"jwe": *"\([^"]*\)".*/\1/' ;;
        *-c) cat ;;
        *) printf '"%s"' "$(cat)" ;;
    esac
}

# start TRIAL: find_data's part and open_card; `code` is how it ended: 0, or 7 stays, 8 waits, 9 given up.
start() {
    rm -rf /run/card /run/said
    cp --sparse=always /run/partition /run/before
    (
        trial=$1 data=/run/partition fresh=
        [ "$(head -c 65536 "$data" | tr -cd '\0' | wc -c)" != 65536 ] || fresh=1
        memory=
        open_card
        echo "$raw $data $fresh" > /run/result
        [ -z "${finishing:-}" ] || finish_card
        echo "$card_state $card_kind $opened_by $card_problem" > /run/card-result
    )
    code=$?
}
new() { # new CASE: a partition of zeros.
    case=$1
    rm -rf /run/partition /run/marked /run/result /run/first /run/data /run/tpm /run/tang /run/moving.undo
    mkdir -p /run/first /run/data
    card_state='' card_kind=''
    truncate -s ${MB}M /run/partition
    answering=1
    echo a-tpm > /run/tpm
}
untouched() { cmp -s /run/partition /run/before; }
result() { cat /run/result 2> /dev/null; }

# An encrypted card whose key is not bound yet, as /run/luks.
printf %s "$SETUP" > /run/setup
truncate -s ${MB}M /run/luks
cryptsetup luksFormat -q --type luks2 --key-file /run/setup --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --sector-size 512 --luks2-metadata-size 32k \
    --subsystem attendance-empty /run/luks
