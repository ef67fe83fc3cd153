#!/bin/sh
# Exported files are read by pyarrow, DuckDB and Python's json, and files that these write are imported; the schema beside
# them is read by pymilvus, and what its BulkWriter writes is imported. $BENCH_PYTHON names a Python that has them; what it
# does not have is not checked, which is said.
set -eu
cd "$(dirname "$0")/.."
python=${BENCH_PYTHON:-python3}
if "$python" -c 'import duckdb, pyarrow.parquet' 2>/dev/null; then
    cargo test --locked --workspace --test it exchange::peers::pyarrow -- --ignored
else
    echo "left out: $python has no pyarrow or no duckdb; set BENCH_PYTHON to one that has both"
fi
if "$python" -c 'import pymilvus.bulk_writer.local_bulk_writer' 2>/dev/null; then
    cargo test --locked --workspace --test it exchange::peers::pymilvus -- --ignored
else
    echo "left out: $python has no pymilvus 2.3 (pip install 'pymilvus==2.3.8' 'marshmallow<4' 'setuptools<80')"
fi
