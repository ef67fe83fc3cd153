#!/bin/sh
# Runs the kernels' and codecs' tests as 64-bit ARM code (NEON), under QEMU where the machine is none.
# On Debian and Ubuntu it installs what it needs, if it may.
set -eu
cd "$(dirname "$0")"
target=aarch64-unknown-linux-gnu

rustup target add "$target"
if [ "$(uname -m)" != aarch64 ]; then
    if ! command -v qemu-aarch64-static >/dev/null || ! command -v aarch64-linux-gnu-gcc >/dev/null; then
        apt-get install -y --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
    fi
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu"
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target/cpu}"
export RUST_BACKTRACE=0
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
cargo test --target "$target" --lib -- --nocapture >"$log" 2>&1 || { cat "$log"; exit 1; }
grep -q "level neon" "$log" || { echo "the NEON level did not run" >&2; exit 1; }
grep "^test result" "$log"
echo "ok: the kernels of scalar and neon passed on aarch64"
