#!/bin/sh
# Installs gibson-server into an empty folder, runs it from there, and builds a program that embeds it.
#
#     server_install_test.sh BUILD_DIR SOURCE_DIR VERSION CC
set -eu
build=$1 source=$2 version=$3 cc=$4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

install() {
    cmake --install "$build" --prefix "$1" --component "$2" >"$work/log" || {
        cat "$work/log"
        exit 1
    }
}
install "$prefix" server
find_one() {
    find "$prefix" -name "$1" -print -quit
}

echo "-- the program and its configuration"
server=$(find_one gibson-server)
test "$("$server" --version)" = "gibson-server $version"
"$server" -c "$(find_one gibson.conf)" --check-config

echo "-- the manual page and the unit"
test -n "$(find_one gibson-server.8)"
grep -q "^Type=notify$" "$(find_one gibson-server.service)"
# The group that the unit names exists, and has members: a dynamic one would have none.
group=$(sed -n 's/^Group=//p' "$(find_one gibson-server.service)")
grep -q "^u $group " "$(find_one gibson-server.conf)"
grep -q "^LogsDirectory=gibson$" "$(find_one gibson-server.service)"
grep -q "^SocketGroup=$group$" "$(find_one gibson-server.socket)"
if command -v systemd-analyze >/dev/null; then
    sed "s|^ExecStart=[^ ]*|ExecStart=$server|" "$(find_one gibson-server.service)" \
        >"$work/gibson-server.service"
    cp "$(find_one gibson-server.socket)" "$work"
    systemd-analyze verify --man=no "$work/gibson-server.service" "$work/gibson-server.socket"
fi
grep -q "^ExecStart=/.*/gibson-server -c /.*/gibson.conf$" "$(find_one gibson-server.service)"

echo "-- the program alone brings no headers and no library"
test -z "$(find "$prefix" -name '*.h' -o -name '*.a' -o -name '*.pc')"

echo "-- no two components install the same file"
for component in library server server_library tools; do
    install "$work/parts/$component" "$component"
    test -d "$work/parts/$component"
    (cd "$work/parts/$component" && find . -type f)
done | sort | uniq -d >"$work/twice"
test ! -s "$work/twice" || {
    cat "$work/twice"
    exit 1
}

echo "-- a program that embeds it"
install "$prefix" server_library
install "$prefix" library
PKG_CONFIG_PATH=$(dirname "$(find_one gibson-server.pc)")
export PKG_CONFIG_PATH
test "$(pkg-config --modversion gibson-server)" = "$version"
# shellcheck disable=SC2046
"$cc" -std=c11 -Wall -Werror "$source/tests/package/consumer/embed.c" -o "$work/embed" \
    $(pkg-config --define-variable=prefix="$prefix" --cflags --libs gibson-server)
"$work/embed"
