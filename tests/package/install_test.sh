#!/bin/sh
# Installs libgibson into an empty folder and builds a program against it in every way there is.
#
#     install_test.sh BUILD_DIR SOURCE_DIR VERSION CC GENERATOR
set -eu
build=$1 source=$2 version=$3 cc=$4 generator=$5

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

# Runs a command, and shows what it printed only where it fails.
quietly() {
    if ! "$@" >"$work/log" 2>&1; then
        cat "$work/log"
        exit 1
    fi
}

quietly cmake --install "$build" --prefix "$prefix" --component library
libdir=$(dirname "$(find "$prefix" -name 'libgibson.so' -print -quit)")

echo "-- find_package, shared and static"
quietly cmake -S "$source/tests/package/consumer" -B "$work/consumer" -G "$generator" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED_VERSION="$version"
quietly cmake --build "$work/consumer"
"$work/consumer/consumer_shared"
"$work/consumer/consumer_static"

echo "-- pkg-config"
export PKG_CONFIG_PATH="$libdir/pkgconfig"
test "$(pkg-config --modversion gibson)" = "$version"
# The .pc file names the prefix it was configured for; here it stands elsewhere.
# shellcheck disable=SC2046
"$cc" -std=c11 -Wall -Werror "$source/tests/package/consumer/consumer.c" -o "$work/by_pkg_config" \
    $(pkg-config --define-variable=prefix="$prefix" --cflags --libs gibson)
LD_LIBRARY_PATH=$libdir "$work/by_pkg_config"

echo "-- names and versions"
soname=$(readelf -d "$libdir/libgibson.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
test "$soname" = "libgibson.so.${version%.*}"
test -e "$libdir/$soname"
test -e "$libdir/libgibson.so.$version"
