#!/bin/sh
# What the shared library shows to the world: tests/abi/check.sh BUILD
#
# Its name, what it exports, what it needs, and how its structures lie.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
library=$1/libelanus.so
work=$(mktemp -d "${TMPDIR:-/tmp}/elanus-abi-XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=

same() { # same WHAT EXPECTED FOUND
    diff -u "$2" "$3" || failed="$failed $1"
}

nm -D --defined-only "$library" | awk '{ print $3 }' | LC_ALL=C sort >"$work/symbols"
LC_ALL=C sort "$here/symbols.txt" >"$work/expected"
same symbols "$work/expected" "$work/symbols"

abi=$(sed -n 's/^#define ELANUS_ABI_VERSION \([0-9]*\)$/\1/p' "$root/include/elanus.h")
soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = "libelanus.so.$abi" ] || { echo "soname $soname should be libelanus.so.$abi"; failed="$failed soname"; }

# Nothing beyond these; which of them it needs depends on the build.
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r needed; do
    case $needed in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | ld-linux-x86-64.so.2 | ld-linux-aarch64.so.1) ;;
    *) echo "$needed" ;;
    esac
done >"$work/needed"
same needed /dev/null "$work/needed"

gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -I"$root/include" -o "$work/layout" "$here/layout.c" || failed="$failed layout"

if [ -n "$failed" ]; then
    echo "abi: wrong:$failed" >&2
    exit 1
fi
echo "abi          $(wc -l <"$work/symbols") symbols, soname $soname, layout as recorded"
