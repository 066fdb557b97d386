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
        command -v sudo >/dev/null || { echo "These packages are missing: ${missing[*]}. Install them as root, or install sudo." >&2; exit 1; }
        sudo=(sudo)
    fi
    echo "Installing ${missing[*]}" >&2
    # The lists may be old or absent; a failed update is not a reason to stop if the packages can be had all
    # the same.
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 || true
    # Nothing that is installed is removed for them, and -y alone never downgrades.
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends --no-remove "${missing[@]}" >&2 && return
    explain_refusal "${missing[@]}" >&2
    [ "${ATTENDANCE_REPLACE_PACKAGES-}" = 1 ] || exit 1
    echo "ATTENDANCE_REPLACE_PACKAGES=1: the packages listed above are removed or replaced" >&2
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends --allow-downgrades "${missing[@]}" >&2
}

# Says which installed packages stand in the way of these, if that is why they were not installed.
explain_refusal() {
    local said line kept=() removal='^Remv ([^ ]+) \[([^]]+)\]' other='^Inst ([^ ]+) \[([^]]+)\] \(([^ ]+) '
    said=$(LC_ALL=C apt-get install --quiet --simulate --no-install-recommends "$@" 2>&1) || true
    while IFS= read -r line; do
        if [[ $line =~ $removal ]]; then
            kept+=("${BASH_REMATCH[1]} ${BASH_REMATCH[2]} would be removed")
        elif [[ $line =~ $other ]] && dpkg --compare-versions "${BASH_REMATCH[3]}" lt "${BASH_REMATCH[2]}"; then
            kept+=("${BASH_REMATCH[1]} ${BASH_REMATCH[2]} would be replaced by the older ${BASH_REMATCH[3]}")
        fi
    done <<< "$said"
    if [ ${#kept[@]} -eq 0 ]; then
        echo "$said"
        echo "Not installed: $*. apt-get says above why; nothing that was installed is changed."
        return
    fi
    echo "Not installed: $*. They do not fit beside packages that this machine has:"
    printf '    %s\n' "${kept[@]}"
    [ "${ATTENDANCE_REPLACE_PACKAGES-}" != 1 ] || return 0
    echo "Nothing was changed. Do one of these, then run the script again:"
    echo "  - install them from the release that your packages come from, such as bookworm-backports:"
    echo "    apt-get install -t RELEASE $*"
    echo "  - if you can do without the packages listed above: set ATTENDANCE_REPLACE_PACKAGES=1"
}

# Package clients of other registries: whatever is on the PATH serves, Debian's where nothing is.
need_clients() {
    command -v pip >/dev/null || command -v pip3 >/dev/null || need_packages python3-pip
    command -v npm >/dev/null || need_packages npm
    command -v cargo >/dev/null || {
        echo "cargo was not found on the PATH${SUDO_USER:+, nor in .cargo/bin of $SUDO_USER}." >&2
        echo "Install Rust 1.91 or later: with rustup, or Debian's packages rustc and cargo from backports." >&2
        exit 1
    }
}
