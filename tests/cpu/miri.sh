#!/bin/sh
# Runs the kernels' tests under Miri: every level of x86-64, AVX-512 and VNNI too, on any machine.
# Miri finds reads outside of slices, misaligned accesses and other undefined behaviour.
set -eu
cd "$(dirname "$0")"
toolchain="${MIRI_TOOLCHAIN:-nightly-2026-05-20}"

rustup toolchain list | grep -q "^$toolchain" || rustup toolchain install "$toolchain" --profile minimal
rustup component add --toolchain "$toolchain" miri rust-src

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target/cpu}/miri"
export RUST_BACKTRACE=0
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
RUSTFLAGS="-Ctarget-feature=+avx2,+fma,+avx512f,+avx512bw,+avx512vl,+avx512vnni,+avx512vpopcntdq,+popcnt" \
    cargo "+$toolchain" miri test --target x86_64-unknown-linux-gnu --lib kernel::tests -- --nocapture \
    >"$log" 2>&1 || { cat "$log"; exit 1; }
grep -q "level avx512popcnt" "$log" || { echo "the AVX-512 levels did not run" >&2; exit 1; }
grep "^test result" "$log"
echo "ok: the kernels of scalar, avx2, avx512, avx512vnni and avx512popcnt passed under Miri"
