#!/usr/bin/env bash
# The fault disk: every operation of scripted workloads fails, fails from then on, or loses the power, with what was not synced
# lost, kept, torn or reordered. Prints how many states were opened. Then a million random operations against a model, with the power
# going off in some of them, and reader processes beside a writer for a minute. Arguments go to cargo test.
set -euo pipefail
cd "$(dirname "$0")/.."
export ELANUS_CRASH_STATES=${ELANUS_CRASH_STATES:-20000} # of the whole engine; the storage layer visits all of its own
cargo test --locked -p elanus --features fault "$@" crash -- --nocapture | tee target/crash.log
awk '/ states$/ { n += $(NF - 1) } /^crash states visited:/ { n += $4 } END { print n + 0, "states in all"; exit n < 10000 }' target/crash.log
cargo test --locked -p elanus --features fault "$@" --test it -- --ignored --nocapture a_million_random_operations for_a_minute
