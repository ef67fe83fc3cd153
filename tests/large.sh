#!/usr/bin/env bash
# Every index type on the first 10,000 rows of the large sets that may lie beside the project (../shared/data; wants numpy).
set -euo pipefail
cd "$(dirname "$0")/.."
sets=$PWD/target/large-sets
if [ ! -e "$sets/ready" ]; then
    python3 ../shared/data/expand.py "$sets" --small --set fashion-mnist-784-l2 --set morgan-2048-jaccard
    touch "$sets/ready"
fi
ELANUS_LARGE_SETS=$sets cargo test --locked --workspace --test kinds -- --ignored --nocapture pixels_and_molecules
