#!/usr/bin/env bash
# Everything CI checks, step by step. A step's output goes to target/test-logs/STEP.log and is shown when it fails; the rest still
# runs. The last line counts tests: what a step's own tests report, or one for a step that has none.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=target/test-logs
mkdir -p "$logs"
passed=0 failed=0

step() { # NAME COMMAND...
    local name=$1 log=$logs/$1.log start=$SECONDS good bad
    shift
    if "$@" >"$log" 2>&1; then local outcome=ok; else local outcome=FAILED; fi
    good=$(awk '/^test result:/ { n += $4 } END { print n + 0 }' "$log")
    bad=$(awk '/^test result:/ { n += $6 } END { print n + 0 }' "$log")
    if [ $outcome = ok ]; then good=$((good > 0 ? good : 1)); else bad=$((bad > 0 ? bad : 1)); fi
    passed=$((passed + good)) failed=$((failed + bad))
    printf '%-16s %-6s %5d passed %3d failed %5d s\n' "$name" $outcome "$good" "$bad" $((SECONDS - start))
    [ $outcome = ok ] || tail -60 "$log"
}

step format cargo fmt --all --check
step clippy cargo clippy --locked --workspace --all-targets -- -D warnings
step tests cargo test --locked --workspace
# The kernels of every level are compared with the scalar ones by the step before; here the engine runs on the lower ones.
# Always the whole workspace: with fewer packages crates have fewer features, and are compiled again.
step tests-scalar env ELANUS_SIMD=scalar cargo test --locked --workspace --lib --test it
if grep -qw avx512bw /proc/cpuinfo; then
    step tests-avx2 env ELANUS_SIMD=avx2 cargo test --locked --workspace --lib --test it
fi
if [ -e ../shared/data/expand.py ]; then
    step large-sets tests/large.sh
else
    printf '%-16s %s\n' large-sets "not here: not run"
fi
if "${BENCH_PYTHON:-python3}" -c 'import duckdb, pyarrow.parquet' 2>/dev/null; then
    step peers tests/peers.sh
else
    printf '%-16s %s\n' peers "no pyarrow and duckdb here: not run"
fi
step records python3 tests/bench/render.py --check
step data make --no-print-directory data
step c tests/c/run.sh
step demo make --no-print-directory demo
# Of the library that the step before has built.
step size tests/size.sh

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
