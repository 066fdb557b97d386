# shellcheck shell=bash
# Sourced by the scripts that people run: installs Debian packages that are missing, by name.
# A machine that has them is not slowed down: dpkg is asked once, apt is not started.

need_packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "These packages are missing and neither root nor sudo is here: ${missing[*]}" >&2; exit 1; }
        sudo=(sudo)
    fi
    echo "Installing ${missing[*]}" >&2
    # The lists may be old or absent; a failed update is no reason to stop if the packages can be had all the
    # same.
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 || true
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# Package clients of other registries: whatever is on the PATH serves, Debian's where nothing is.
need_clients() {
    command -v pip >/dev/null || command -v pip3 >/dev/null || need_packages python3-pip
    command -v npm >/dev/null || need_packages npm
    command -v cargo >/dev/null || {
        echo "cargo is not on the PATH; install Rust 1.91 or later (rustup, or Debian's rustc and cargo from backports)" >&2
        exit 1
    }
}
