#!/bin/sh
# Runs the kernels' and codecs' tests on an x86-64 CPU without AVX (QEMU's Nehalem): nothing above the baseline may run
# before the CPU was asked. On Debian and Ubuntu it installs what it needs, if it may.
set -eu
cd "$(dirname "$0")"

command -v qemu-x86_64-static >/dev/null || apt-get install -y --no-install-recommends qemu-user-static
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="qemu-x86_64-static -cpu Nehalem"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target/cpu}"
export RUST_BACKTRACE=0
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
cargo test --target x86_64-unknown-linux-gnu --lib -- --nocapture >"$log" 2>&1 || { cat "$log"; exit 1; }
if ! grep -q "level scalar" "$log" || grep -q "level avx" "$log"; then
    echo "only the scalar level should have run" >&2
    exit 1
fi
grep "^test result" "$log"
echo "ok: the kernels passed on x86-64 without AVX"
