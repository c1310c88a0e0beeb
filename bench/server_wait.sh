#!/usr/bin/env bash
# Measures how long clients wait for one another.
#
#     bench/server_wait.sh BUILD [SERVER]    SERVER: the program, if not that of the build
#
# As root the server comes before the other programs of the machine, so that it is the server that is
# measured.
set -euo pipefail
build=$1
server=${2:-$build/server/gibson-server}
folder=$(mktemp -d)
first=()
chrt -f 1 true 2>/dev/null && first=(chrt -f 1)
pid=
finish() {
    [ -n "$pid" ] && kill "$pid" && wait "$pid"
    rm -rf "$folder"
}
trap finish EXIT

# start DIRECTIVE...
start() {
    "${first[@]}" "$server" --unix_socket "$folder/socket" --loglevel 3 --slow_log 0 --max_memory 4G "$@" &
    pid=$!
    until [ -S "$folder/socket" ]; do sleep 0.05; done
}

# Without rounds of looking for expired items, for the commands to find them.
start --expired_cron 1000 --max_value_size 52M --max_request_size 53M --max_response_size 400M \
    --max_client_memory 2G
"$build/bench/server_wait" "$folder/socket"
kill "$pid" && wait "$pid"
start
for batch in 64 640; do
    echo "100 clients with batches of $batch GETs"
    "${first[@]}" "$build/bench/server_fair" "$folder/socket" 100 $batch
done
