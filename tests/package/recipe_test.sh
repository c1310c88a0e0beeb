#!/bin/sh
# Runs the README's recipe for the library alone, word for word, and compares what it installs with what
# a libgibson consists of.
#
#     recipe_test.sh SOURCE_DIR VERSION CC GENERATOR
set -eu
source=$1 version=$2
export CC="$3" CMAKE_GENERATOR="$4"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The first block of code behind the sentence.
awk '/^Build and install the library alone:/ { here = 1 }
     here && /^```$/ { exit }
     block { print }
     here && /^```sh$/ { block = 1 }' "$source/README.md" >"$work/recipe"
test -s "$work/recipe"

# It is run where it makes no mess: in a folder that looks like the source, as whoever runs the test, and
# with its target moved below DESTDIR.
mkdir "$work/source" "$work/bin"
for entry in "$source"/*; do
    case ${entry##*/} in
    build) ;;
    *) ln -s "$entry" "$work/source" ;;
    esac
done
printf '#!/bin/sh\nexec "$@"\n' >"$work/bin/sudo"
chmod +x "$work/bin/sudo"
(
    cd "$work/source"
    DESTDIR=$work/installed PATH=$work/bin:$PATH sh -e "$work/recipe"
) >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}

# gibson.h includes all other headers, some by way of others, but for the adapters.
headers() {
    sed -n 's,^#include <gibson/\(.*\)>,\1,p' "$1" | while read -r header; do
        echo "$header"
        headers "$work/headers/$header"
    done
}
prefix=$work/installed/usr/local
ln -s "$prefix/include/gibson" "$work/headers"
{
    for header in gibson.h $(headers "$work/headers/gibson.h"); do
        echo "include/gibson/$header"
    done
    (cd "$source" && ls include/gibson/adapters/*.h)
    cat <<END
include/gibson/adapters/glib.h
include/gibson/adapters/libevent.h
include/gibson/adapters/libuv.h
include/gibson/adapters/poll.h
lib/cmake/gibson/gibson-config-version.cmake
lib/cmake/gibson/gibson-config.cmake
lib/cmake/gibson/gibson-targets-release.cmake
lib/cmake/gibson/gibson-targets.cmake
lib/libgibson.a
lib/libgibson.so
lib/libgibson.so.${version%.*}
lib/libgibson.so.$version
lib/pkgconfig/gibson.pc
END
} | LC_ALL=C sort -u >"$work/wanted"
# Where libraries go is the system's matter.
(cd "$work/installed" && find . -type f -o -type l) |
    sed 's,^\./usr/local/,,; s,^lib64/,lib/,' | LC_ALL=C sort >"$work/found"
diff -u "$work/wanted" "$work/found"
echo "$(wc -l <"$work/found") files, all of the library"
