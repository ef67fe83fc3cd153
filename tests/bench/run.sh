#!/usr/bin/env bash
# Makes the peers' environments (once, below target/), unpacks the large sets where they are, measures, renders, draws.
# `run.sh scale|churn|evaluation ...` runs that script instead. Arguments go to bench.py: --topics ivf,graphs,trees,disk,binary,filters --sets minilm-10k --families IVF_PQ --small ...
# BENCH_PYTHON and BENCH_PYTHON_NUMPY1 name other interpreters that have the peers already, BENCH_DATA the expanded sets.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/bench
venv=target/bench-venv
large=../shared/data
export BENCH_DATA=${BENCH_DATA:-target/bench-data}

stamp=$(cat "$here"/requirements*.txt | sha256sum | cut -c1-16)
if [ -z "${BENCH_PYTHON:-}" ] && [ ! -e "$venv/ready-$stamp" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" -q install -r "$here/requirements.txt"
    # These have no wheels; built here, they may use all that this CPU has.
    CFLAGS="-O3 -march=native" CXXFLAGS="-O3 -march=native" \
        "$venv/bin/pip" -q install --no-binary hnswlib,annoy hnswlib==0.8.0 annoy==1.17.3
    # diskannpy wants numpy 1.
    python3 -m venv "$venv-numpy1"
    "$venv-numpy1/bin/pip" -q install -r "$here/requirements-numpy1.txt" ||
        echo "diskannpy does not install with this Python: DISKANN is compared with zvec alone"
    touch "$venv/ready-$stamp"
fi
python=${BENCH_PYTHON:-$venv/bin/python}
export BENCH_PYTHON_NUMPY1=${BENCH_PYTHON_NUMPY1:-$venv-numpy1/bin/python}
if [ -e "$large/expand.py" ] && [ "$BENCH_DATA" = target/bench-data ] && [ ! -e target/bench-data/ready-4 ]; then
    "$python" "$large/expand.py" target/bench-data
    touch target/bench-data/ready-4
fi
script=bench
case ${1:-} in scale | churn | evaluation) script=$1; shift ;; esac
"$python" "$here/$script.py" "$@"
if "$python" -c 'import matplotlib' 2>/dev/null; then "$python" "$here/plot.py"; fi
"$python" "$here/render.py"
