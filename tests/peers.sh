#!/bin/sh
# Exported files are read by pyarrow, DuckDB and Python's json, and files that these write are imported. $BENCH_PYTHON names
# a Python that has the first two; without one nothing is checked, which is said.
set -eu
cd "$(dirname "$0")/.."
python=${BENCH_PYTHON:-python3}
if ! "$python" -c 'import duckdb, pyarrow.parquet' 2>/dev/null; then
    echo "left out: $python has no pyarrow or no duckdb; set BENCH_PYTHON to one that has both"
    exit 0
fi
cargo test --locked --workspace --test it exchange::peers -- --ignored
