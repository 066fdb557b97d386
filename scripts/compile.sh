# shellcheck shell=bash
# Sourced by the scripts that compile for this machine: one profile and one set of features for all of them,
# so that what one compiled is not compiled again by another.

# What tests ask of shared crates; see app/Cargo.toml.
SHARED_FEATURES=attendance/as-in-tests

# The program, the fetching of models and the demo backend, into ${CARGO_TARGET_DIR:-target}/debug. Further
# arguments go to cargo.
build_program() {
    cargo build --locked --features "$SHARED_FEATURES" \
        -p model-tools --bin fetch_models -p attendance --bin attendance -p backend --example demo_site "$@"
}
