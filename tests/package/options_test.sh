#!/bin/sh
# Configures the combinations of the options that choose what is built.
#
#     options_test.sh SOURCE_DIR CC GENERATOR
set -eu
source=$1 cc=$2 generator=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The arguments are the values of the options. All in one folder: the compiler is looked at once only.
# A library that is named but not built is an error with CMake 3.23 and later.
combination() {
    set -- -DGIBSON_BUILD_SERVER="$1" -DGIBSON_BUILD_TOOLS="$2" -DGIBSON_BUILD_TESTS="$3" \
        -DGIBSON_BUILD_EXAMPLES="$4" -DGIBSON_BUILD_BENCH="$5"
    if ! cmake -S "$source" -B "$work/build" -G "$generator" -DCMAKE_C_COMPILER="$cc" \
        -DCMAKE_LINK_LIBRARIES_ONLY_TARGETS=ON "$@" >"$work/log" 2>&1; then
        cat "$work/log"
        echo "does not configure with $*"
        exit 1
    fi
}

for server in OFF ON; do
    for tools in OFF ON; do
        for tests in OFF ON; do
            # Examples and benchmarks are used by nothing else.
            for rest in OFF ON; do
                combination "$server" $tools $tests $rest $rest
            done
        done
    done
done
