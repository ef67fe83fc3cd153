#!/usr/bin/env bash
# Makes the peers' environment (once, in target/bench-venv), unpacks the large sets where they are, measures, renders.
# Arguments go to bench.py: --sets minilm-10k --families HNSW --topics indexes,database ...
# BENCH_PYTHON names another interpreter that has the peers already.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/bench
venv=target/bench-venv
large=../shared/data

python=${BENCH_PYTHON:-$venv/bin/python}
if [ -z "${BENCH_PYTHON:-}" ] && [ ! -e "$venv/ready" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" -q install -r "$here/requirements.txt"
    # hnswlib has no wheel; built here, it may use all that this CPU has.
    CFLAGS="-O3 -march=native" CXXFLAGS="-O3 -march=native" "$venv/bin/pip" -q install --no-binary hnswlib hnswlib==0.8.0
    touch "$venv/ready"
fi
if [ -e "$large/expand.py" ] && [ ! -e target/bench-data/ready ]; then
    "$python" "$large/expand.py" target/bench-data --set fashion-mnist-784-l2 --set minilm-text-384-cos
    touch target/bench-data/ready
fi
"$python" "$here/bench.py" "$@"
"$python" "$here/render.py"
