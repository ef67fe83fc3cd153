#!/bin/sh
# Runs the tests of many threads on one handle under ThreadSanitizer, standard library included. Arguments: which tests of
# tests/it (default: concurrent).
set -eu
cd "$(dirname "$0")/.."
toolchain="${TSAN_TOOLCHAIN:-nightly-2026-05-20}"
host="$(rustc -vV | sed -n 's/^host: //p')"

rustup toolchain list | grep -q "^$toolchain" || rustup toolchain install "$toolchain" --profile minimal
rustup component add --toolchain "$toolchain" rust-src

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/tsan-rust"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1}"
RUSTFLAGS=-Zsanitizer=thread cargo "+$toolchain" test --locked -Zbuild-std --target "$host" \
    -p elanus --features fault --test it "${@:-concurrent}"
