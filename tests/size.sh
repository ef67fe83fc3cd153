#!/bin/sh
# The optimised library, stripped of all that running it does not take, is at most 8 MiB. It has to be built.
set -eu
cd "$(dirname "$0")/.."
most=8388608
library=${1:-${CARGO_TARGET_DIR:-target}/release/libelanus.so}
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$library"
size=$(wc -c <"$stripped")
echo "$library: $size bytes stripped, $most allowed"
[ "$size" -le "$most" ]
