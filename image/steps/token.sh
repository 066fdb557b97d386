# shellcheck shell=bash disable=SC2034
# What a step needs to sign with a key in a token: this machine's p11-kit serves it (image/signing.sh), and
# OpenSSL's engine asks there. Sourced by the steps that sign.
libraries=/work/keys/token-client/usr/lib/$(uname -m)-linux-gnu
token_module=$libraries/pkcs11/p11-kit-client.so
export OPENSSL_ENGINES=$libraries/engines-3 P11_KIT_SERVER_ADDRESS=unix:path=/work/keys/token
