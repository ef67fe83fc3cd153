#!/bin/sh
# Runs every fuzz target (or those named) for so many seconds each: tests/fuzz/run.sh SECONDS [TARGET...]
# Needs a nightly toolchain; installs cargo-fuzz if it is missing. No target may allocate more than 64 MiB at
# once, or take longer than 20 s for an input.
set -eu
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [TARGET...]}
shift
cd "$(dirname "$0")"
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
for target in ${*:-$(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | grep -v '^elanus-fuzz$')}; do
    mkdir -p "corpus/$target"
    cargo +nightly fuzz run --fuzz-dir . "$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -malloc_limit_mb=64 -rss_limit_mb=2048 -timeout=20
done
