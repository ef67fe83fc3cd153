#!/bin/sh
# The C tests: builds the library, installs it into a temporary prefix, compiles the programs against that tree with
# pkg-config and with CMake, and runs them.
#
#     tests/c/run.sh                 all of them, and 20 kills
#     tests/c/run.sh asan            under AddressSanitizer and UndefinedBehaviorSanitizer (of the C side)
#     tests/c/run.sh valgrind        under valgrind
#     tests/c/run.sh tsan            library and programs under ThreadSanitizer; needs nightly Rust with rust-src
#     tests/c/run.sh kill [N]        only the kills: N of them (200)
#
# KILLS sets the number of kills of a plain run, CARGO_TARGET_DIR is honoured.
set -eu

mode=${1:-plain}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
work=$(mktemp -d "${TMPDIR:-/tmp}/elanus-c-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
export TMPDIR="$work"

warnings="-Wall -Wextra -Wpedantic -Werror"
flags="$warnings -g -O1 -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE"
before=

case $mode in
plain | kill) ;;
asan)
    flags="$flags -fsanitize=address,undefined -fno-sanitize-recover=all"
    export ASAN_OPTIONS=detect_leaks=1
    ;;
valgrind)
    # AVX-512 is beyond valgrind: it runs the code for AVX2. And without optimisation, because LLVM tests bits of an
    # absent value before it tests whether it is there, where both ways lead to the same; valgrind cannot see that.
    before="valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --trace-children=no"
    export ELANUS_SIMD=avx2
    ;;
tsan)
    target="$target/tsan"
    flags="$flags -fsanitize=thread"
    ;;
*)
    sed -n '2,12p' "$0" >&2
    exit 2
    ;;
esac

if [ "$mode" = tsan ]; then
    nightly=${TSAN_TOOLCHAIN:-nightly-2026-05-20}
    host=$(rustc +"$nightly" -vV | sed -n 's/^host: //p')
    # Only the library is compiled with the sanitizer; its runtime comes with the C programs.
    RUSTFLAGS="-Zsanitizer=thread -Zexternal-clangrt" cargo +"$nightly" build --quiet -Zbuild-std --target "$host" \
        --target-dir "$target" -p elanus-c
    build=$target/$host/debug
elif [ "$mode" = plain ] || [ "$mode" = kill ]; then
    # What users get.
    cargo build --quiet --locked --release -p elanus-c
    build=$target/release
else
    level=1
    [ "$mode" = valgrind ] && level=0
    cargo build --quiet --locked -p elanus-c --config "profile.dev.opt-level=$level"
    build=$target/debug
fi

prefix=$work/prefix
bindings/c/install.sh "$prefix" "$build"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
LD_LIBRARY_PATH=$prefix/lib
export PKG_CONFIG_PATH LD_LIBRARY_PATH
cflags=$(pkg-config --cflags elanus)
libs=$(pkg-config --libs elanus)

# shellcheck disable=SC2086 # the flags are lists
c99() { gcc -std=c99 $flags $cflags "$@" $libs -lpthread; }
# shellcheck disable=SC2086
cpp11() { g++ -std=c++11 $flags $cflags "$@" $libs; }

gcc -std=c99 $flags $cflags -c -o "$work/test.o" "$here/test.c"
programs="life kinds binary filter data partitions mmap travel exchange search bad_input null handles arrow threads"
[ "$mode" = kill ] && programs=
[ "$mode" = tsan ] && programs=threads
shim=
[ "$mode" = tsan ] && shim="-fno-builtin $here/tsan_shim.c"
for program in $programs; do
    # shellcheck disable=SC2086 # nothing, or an option and a file
    c99 $shim -o "$work/$program" "$here/$program.c" "$work/test.o"
done
[ "$mode" = tsan ] || [ "$mode" = kill ] || { cpp11 -o "$work/cpp" "$here/cpp.cc" "$work/test.o"; programs="$programs cpp"; }

failed=
for program in $programs; do
    # shellcheck disable=SC2086 # nothing, or valgrind with its options
    $before "$work/$program" || failed="$failed $program"
done

if [ "$mode" = plain ]; then
    cmake -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1 &&
        cmake --build "$work/cmake" >>"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; failed="$failed cmake"; }
    for program in life life_static cpp; do
        "$work/cmake/$program" || failed="$failed cmake/$program"
    done

    # A small file system to fill, in a namespace of our own; where that is not allowed, this test is left out.
    c99 -o "$work/disk_full" "$here/disk_full.c" "$work/test.o"
    mkdir "$work/small"
    mount="mount -t tmpfs -o size=4m none $work/small"
    if unshare -rm sh -c "$mount" 2>/dev/null; then
        unshare -rm sh -c "$mount && exec $work/disk_full $work/small/db" || failed="$failed disk_full"
    else
        echo "disk_full    left out: no file system may be mounted here"
    fi
    tests/abi/check.sh "$build" || failed="$failed abi"
fi

if [ "$mode" = plain ] || [ "$mode" = kill ]; then
    c99 -o "$work/victim" "$here/victim.c" "$work/test.o"
    [ "$mode" = kill ] && kills=${2:-200} || kills=${KILLS:-20}
    TMPDIR=${KILL_DIR:-/tmp} python3 "$here/kill9.py" "$work/victim" "$kills" || failed="$failed kill9"
fi

if [ -n "$failed" ]; then
    echo "failed:$failed" >&2
    exit 1
fi
