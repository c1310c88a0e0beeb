#!/bin/sh
# Compares gibson-server with Valkey, Redis and memcached, one after the other on the same machine,
# each with one thread, over unix sockets. Prints tab-separated lines for docs/benchmarks-server.md.
#
# usage: bench/server_compare.sh BUILD_DIRECTORY PEERS [SECONDS_PER_MEASUREMENT]
#
# PEERS is a folder made by scripts/peers; root only, for chroot.
set -eu

build=$1
peers=$2
seconds=${3:-2}
work=$(mktemp -d "$peers/tmp/compare.XXXXXX")
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
    valkey | redis)
        chroot "$peers" "/usr/bin/$1-server" --port 0 --unixsocket "${socket#"$peers"}" --save "" \
            --appendonly no --loglevel warning --dir "${work#"$peers"}" >/dev/null &
        ;;
    memcached)
        chroot "$peers" /usr/bin/memcached -t 1 -m 2048 -s "${socket#"$peers"}" -u root &
        ;;
    esac
    pid=$!
    while ! [ -S "$socket" ]; do
        sleep 0.01
    done
}

echo "# $(date -u +%Y-%m-%dT%H:%M:%SZ) $(uname -m) $(nproc) CPUs, $seconds s each"
for server in valkey-server redis-server memcached; do
    echo "# $(chroot "$peers" /usr/bin/$server --version)"
done
echo "# server operation keys pipeline operations/s operations/s-of-server-CPU (RSS: bytes, bytes/key)"
for keys in 1000 100000 1000000; do
    for pipeline in 64 1; do
        for server in gibson valkey redis memcached; do
            start $server
            "$build/bench/server_load" $server "$work/$server.sock" "$pid" $keys $pipeline "$seconds"
            stop
            rm -f "$work/$server.sock"
        done
    done
done
if [ -x "$build/bench/server_subtree" ]; then
    echo "# server operation milliseconds (100000 of 200000 keys, median of 7)"
    for server in gibson valkey; do
        start $server
        "$build/bench/server_subtree" $server "$work/$server.sock"
        stop
        rm -f "$work/$server.sock"
    done
fi
