# shellcheck shell=bash
# The builder tree: a Debian trixie of this machine's architecture, made from a lock file, in which every step
# runs. Sourced by scripts/build-image. Nothing of the host's own tools reaches the image but this tree's
# making.

TREE_ARCHITECTURE=$(dpkg --print-architecture)
TREE_LOCK=$ROOT/image/lock/builder-$TREE_ARCHITECTURE.lock

# Makes the tree if this lock's tree is not there yet (about 3 minutes), and drops the trees of older locks.
make_tree() {
    [ -e "$TREE/.complete" ] && return
    rm -rf "$CACHE"/builder-* "$CACHE/repository"
    "$ROOT/image/packages.py" fetch "builder-$TREE_ARCHITECTURE"
    "$ROOT/image/packages.py" repository "builder-$TREE_ARCHITECTURE" "$CACHE/repository"
    # The repository holds exactly the locked packages, each checked against the lock's SHA-256: that is the
    # trust.
    mmdebstrap --quiet --mode=root --variant=custom --format=directory \
        --include="$(sed '/^#/d' "$TREE_LOCK" | sed 1d | cut -f1 | paste -sd,)" \
        --aptopt='APT::Sandbox::User "root"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        trixie "$TREE" "deb [trusted=yes] copy:$CACHE/repository ./"
    rm -rf "$CACHE/repository"
    touch "$TREE/.complete"
}

TREE=$CACHE/builder-$({ grep -v '^#' "$TREE_LOCK"; declare -f make_tree; } | sha256sum | cut -c1-16)

# in_tree COMMAND…: run it inside, with the sources at /src (read-only), the cache at /cache and the work
# folder at /work. The paths are the same wherever the checkout lies, so that no path of this machine can find
# its way into the image.
in_tree() {
    unshare --mount --pid --fork --kill-child "${TREE_NETWORK:---net}" -- bash -euc '
        tree=$1 root=$2 cache=$3 work=$4
        shift 4
        umask 022
        mount --make-rprivate /
        for folder in src cache work; do mkdir -p "$tree/$folder"; done
        mount --bind "$root" "$tree/src"
        mount -o remount,bind,ro "$tree/src"
        mount --bind "$cache" "$tree/cache"
        mount --bind "$work" "$tree/work"
        mount -t proc proc "$tree/proc"
        mount --rbind /dev "$tree/dev"
        mount -t tmpfs tmpfs "$tree/tmp"
        for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
            if [ -e "$file" ]; then touch "$tree$file"; mount --bind "$file" "$tree$file"; fi
        done
        exec chroot "$tree" /usr/bin/env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
            SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" VERSION="$VERSION" REVISION="$REVISION" PRODUCTION="${PRODUCTION:-}" \
            KERNEL="${KERNEL:-debian}" KERNEL_LOCK="${KERNEL_LOCK:+/work/kernel.lock}" "$@"
    ' in-tree "$TREE" "$ROOT" "$CACHE" "$WORK" "$@"
}
