# shellcheck shell=bash
# Sourced by scripts that must run as root: with sudo, they use the cache and the Rust of the person who
# called, and leave no file behind that this person could not change. Without sudo, all of this is root's own.

CALLER=$(id -un)
CALLER_HOME=$HOME
if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
    CALLER=$SUDO_USER
    CALLER_HOME=$(getent passwd "$CALLER" | cut -d: -f6)
    # sudo's own PATH does not have the folder where rustup puts cargo.
    [ ! -x "$CALLER_HOME/.cargo/bin/cargo" ] || PATH=$CALLER_HOME/.cargo/bin:$PATH
    # What cargo downloads and compiles is the caller's, too.
    cargo() { as_caller cargo "$@"; }
fi

# as_caller COMMAND…: run it as the person who called.
as_caller() {
    if [ "$CALLER" = "$(id -un)" ]; then
        command "$@"
    else
        runuser -u "$CALLER" -- env HOME="$CALLER_HOME" USER="$CALLER" LOGNAME="$CALLER" "$@"
    fi
}

# give_back PATH…: to the caller, what root owns of these. Left out: trees whose files are root's by nature.
give_back() {
    [ "$CALLER" != "$(id -un)" ] || return 0
    local path
    for path in "$@"; do
        [ ! -e "$path" ] || find "$path" \( -path "$path/builder-*" -o -path "$path/work*" \) -prune \
            -o -user root -exec chown --no-dereference "$CALLER:" {} +
    done
}
