#!/bin/sh
# Compares gibson-server with redis-server and memcached, one after the other on the same machine,
# each with one thread, over unix sockets. Prints tab-separated lines for docs/benchmarks-server.md.
#
# usage: bench/server_compare.sh BUILD_DIRECTORY [SECONDS_PER_MEASUREMENT]
set -eu

build=$1
seconds=${2:-2}
work=$(mktemp -d)
pid=

stop() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        pid=
    fi
}
trap 'stop; rm -rf "$work"' EXIT INT TERM

# start NAME: runs a fresh server on $work/NAME.sock and waits until it listens.
start() {
    socket=$work/$1.sock
    case $1 in
    gibson)
        "$build/server/gibson-server" --unix_socket "$socket" --loglevel 3 &
        ;;
    redis)
        redis-server --port 0 --unixsocket "$socket" --save "" --appendonly no --loglevel warning \
            --dir "$work" >/dev/null &
        ;;
    memcached)
        memcached -t 1 -m 2048 -s "$socket" -u "$(id -un)" &
        ;;
    esac
    pid=$!
    while ! [ -S "$socket" ]; do
        sleep 0.01
    done
}

echo "# $(date -u +%Y-%m-%dT%H:%M:%SZ) $(uname -m) $(nproc) CPUs, $seconds s each"
echo "# $(redis-server --version | cut -d' ' -f1-3), $(memcached --version)"
echo "# server operation keys pipeline operations/s operations/s-of-server-CPU (RSS: bytes, bytes/key)"
for keys in 1000 100000 1000000; do
    for pipeline in 64 1; do
        for server in gibson redis memcached; do
            start $server
            "$build/bench/server_load" $server "$work/$server.sock" "$pid" $keys $pipeline "$seconds"
            stop
            rm -f "$work/$server.sock"
        done
    done
done
if [ -x "$build/bench/server_subtree" ]; then
    echo "# server operation milliseconds (100000 of 200000 keys, median of 7)"
    for server in gibson redis; do
        start $server
        "$build/bench/server_subtree" $server "$work/$server.sock"
        stop
        rm -f "$work/$server.sock"
    done
fi
