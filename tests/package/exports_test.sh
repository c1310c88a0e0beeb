#!/bin/sh
# Compares what libgibson.so exports with lib/exports.txt, and that with what the headers declare.
#
#     exports_test.sh LIBRARY SOURCE_DIR
set -eu
library=$1 source=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep '^gibson_' "$source/lib/exports.txt" | LC_ALL=C sort >"$work/listed"
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    LC_ALL=C sort >"$work/exported"
# A declaration may go over lines: the name is the last word before the first parenthesis.
cat "$source"/include/gibson/*.h "$source"/include/gibson/*.in |
    tr '\n' ' ' | grep -o 'GIBSON_API [^(;]*(' | grep -o 'gibson_[a-z_]*($' | tr -d '(' |
    LC_ALL=C sort -u >"$work/declared"

diff -u "$work/listed" "$work/exported"
diff -u "$work/listed" "$work/declared"
echo "$(wc -l <"$work/listed") functions, all listed, exported and declared"
