#!/bin/sh
# Library, server and proxy can be linked into one program: each has a prefix of its own for what is not
# public, and what two of them define is the code they share. Then the layers of the server: no folder
# uses one above it, and there is no circle between files.
#
#     names_test.sh SOURCE_DIR LIBRARY SERVER PROXY OBJECT...
#
# The first three are static libraries. The objects are those of the two programs.
set -eu
source=$1 library=$2 server=$3 proxy=$4
shift 4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$1:"
    cat "$2"
    exit 1
}

# symbols KIND FILE...: "object type name" of what is defined (or undefined) for all.
symbols() {
    kind=$1
    shift
    nm -A -g "$kind" "$@" | sed 's/^.*[:\/]\([^:\/]*\.o\): */\1 /' | awk '{ print $1, $(NF - 1), $NF }'
}
symbols --defined-only "$library" >"$work/library"
symbols --defined-only "$server" >"$work/server"
symbols --defined-only "$proxy" >"$work/proxy"
for file in library server proxy; do
    test -s "$work/$file"
done

echo "-- shared code"
sort "$work/library" >"$work/library_sorted"
sort "$work/server" | comm -12 - "$work/library_sorted" | sort -u >"$work/core"
test -s "$work/core"

echo "-- prefixes"
# foreign PATTERN FILE: the symbols that neither have a prefix nor are shared.
foreign() {
    grep -vxF -f "$work/core" "$2" | awk -v own="$1" '$3 !~ own' >"$work/foreign" || true
    test ! -s "$work/foreign" || fail "not of the form $1" "$work/foreign"
}
foreign '^(gib|gibson)_' "$work/library"
grep -E ' gibson_server' "$work/library" >"$work/foreign" && fail "the server's" "$work/foreign"
foreign '^(gibs|gibson_server)_' "$work/server"
foreign '^gibp_' "$work/proxy"
symbols --defined-only "$@" | grep -v ' main$' >"$work/programs"
foreign '^gib[sp]_' "$work/programs"

echo "-- nothing twice"
grep -vxF -f "$work/core" "$work/server" | cat - "$work/library" "$work/proxy" "$work/programs" |
    awk '{ print $3 }' | sort | uniq -d >"$work/twice"
test ! -s "$work/twice" || fail "defined twice" "$work/twice"

echo "-- layers of the server"
awk 'BEGIN {
    rank["base"] = rank["wire"] = 0
    rank["config"] = rank["log"] = rank["store"] = 1
    rank["service"] = 2
    rank["loop"] = 3
    rank["program"] = 4
}
/^#include "/ {
    folders = split(FILENAME, path, "/")
    user = path[folders - 1]
    split($2, used, "[\"/]")
    if (!(user in rank) || !(used[2] in rank) || rank[used[2]] > rank[user] ||
        (rank[user] == 1 && rank[used[2]] == 1 && user != used[2])) {
        print FILENAME, $0
    }
}' "$source"/server/*/*.[ch] >"$work/arrows"
test ! -s "$work/arrows" || fail "an arrow to the right" "$work/arrows"

echo "-- no circle between files"
# The functions that call each other, and the headers.
symbols --undefined-only "$server" |
    awk 'NR == FNR { home[$3] = $1; next } $3 in home { print $1, home[$3] }' "$work/server" - |
    sort -u >"$work/uses"
test -s "$work/uses"
(cd "$source/server" && grep -o '^#include "[^"]*' ./*/*.h) |
    sed 's/^\.\///; s/:#include "/ /' >>"$work/uses"
tsort "$work/uses" >"$work/order" 2>"$work/circles" || fail "circles" "$work/circles"
echo "$(wc -l <"$work/server") symbols of the server, $(wc -l <"$work/core") of them shared"
