# shellcheck shell=bash
# Sourced by scripts/build-image.

# Removes the copies of the signing key that builds make below $CACHE. The development authority's own folder
# stays: it is not a secret worth keeping, and a production image refuses it.
drop_signing_keys() {
    rm -f "$CACHE"/work/keys/key.pem "$CACHE"/work-check-*/keys/key.pem
}
