#!/usr/bin/env bash
# kill -9 at random moments: kill9.sh [KILLS]. Wants the library in target/stage (`make stage`).
set -euo pipefail
cd "$(dirname "$0")/.."
stage=target/stage
"${CC:-cc}" -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror tests/kill9.c -I$stage/include -L$stage/lib -lelanus -lm \
    -Wl,-rpath,"$PWD/$stage/lib" -o target/kill9
rm -rf target/kill9-database
exec target/kill9 target/kill9-database "${1:-200}"
