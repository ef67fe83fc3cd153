#!/bin/sh
# Installs the C library: bindings/c/install.sh PREFIX [BUILD]
#
# BUILD is the folder that cargo left libelanus.so and libelanus.a in (default: target/release). DESTDIR is put before
# every path, LIBDIR is the libraries' folder under PREFIX (default: lib).
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 PREFIX [BUILD]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${2:-$root/target/release}
libdir=${LIBDIR:-lib}
version=$(sed -n 's/^#define ELANUS_VERSION "\(.*\)"$/\1/p' "$root/include/elanus.h")
abi=$(sed -n 's/^#define ELANUS_ABI_VERSION \([0-9]*\)$/\1/p' "$root/include/elanus.h")

for file in libelanus.so libelanus.a; do
    if [ ! -f "$build/$file" ]; then
        echo "$0: no $build/$file: build it first, with \`cargo build --release\`" >&2
        exit 1
    fi
done

mkdir -p "${DESTDIR:-}$1"
prefix=$(cd "${DESTDIR:-}$1" && pwd)
named=${prefix#"${DESTDIR:-}"}
lib=$prefix/$libdir
mkdir -p "$prefix/include" "$lib/pkgconfig" "$lib/cmake/elanus"

install -m 644 "$root/include/elanus.h" "$prefix/include/"
install -m 755 "$build/libelanus.so" "$lib/libelanus.so.$version"
ln -sf "libelanus.so.$version" "$lib/libelanus.so.$abi"
ln -sf "libelanus.so.$abi" "$lib/libelanus.so"
install -m 644 "$build/libelanus.a" "$lib/"

# From the folder of the libraries back to the prefix: one step for each part of LIBDIR.
up=$(echo "$libdir" | sed 's/[^/][^/]*/../g')
fill() {
    sed -e "s|@PREFIX@|$named|" -e "s|@LIBDIR@|$libdir|" -e "s|@VERSION@|$version|" -e "s|@ABI@|$abi|" \
        -e "s|@UP@|$up|" "$here/$1.in" >"$2/$1"
}
fill elanus.pc "$lib/pkgconfig"
fill elanusConfig.cmake "$lib/cmake/elanus"
fill elanusConfigVersion.cmake "$lib/cmake/elanus"
