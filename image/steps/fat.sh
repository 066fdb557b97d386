# shellcheck shell=bash
# FAT file systems without a mount, the same bits from the same files. Sourced by the steps that make one.

# digest NAME LENGTH: hexadecimal digits that follow from the version, so that two versions differ and two
# builds of one do not.
digest() { printf '%s %s' "$1" "$VERSION" | sha256sum | cut -c"1-$2"; }

# fat IMAGE SECTORS LABEL FOLDER [FIRST]. A file lies behind those copied before it: what is large and seldom
# changes goes FIRST, so that it lies in the same blocks in the next version, too, and an update need not
# fetch them.
fat() {
    local image=$1 sectors=$2 label=$3 folder=$4 first=${5:-}
    rm -f "$image"
    find "$folder" -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
    mkfs.vfat --invariant -F 32 -s 1 -n "$label" -i "$(digest "$label" 8)" -C "$image" $((sectors / 2)) > /dev/null
    (
        cd "$folder" || exit
        [ -z "$first" ] || echo "$first"
        find . -mindepth 1 -maxdepth 1 ! -name "$first" -printf '%P\n' | LC_ALL=C sort
    ) | while read -r entry; do mcopy -s -m -i "$image" "$folder/$entry" "::$entry"; done
}
