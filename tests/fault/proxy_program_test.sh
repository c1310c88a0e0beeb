#!/usr/bin/env bash
# gibson-proxy as a user meets it: its help, what it refuses, its commands, and how it ends.
#
#     proxy_program_test.sh GIBSON_PROXY
set -euo pipefail
proxy=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "proxy_program_test: $*" >&2
    exit 1
}

# refuses STATUS TEXT ARGUMENT...: the program ends with that status and a message with that text.
refuses() {
    local wanted=$1 text=$2 status=0
    shift 2
    "$proxy" "$@" >"$folder/out" 2>"$folder/err" </dev/null || status=$?
    [ "$status" -eq "$wanted" ] || fail "status $status of $*"
    grep -qF -- "$text" "$folder/err" || fail "the message of $* lacks \"$text\": $(cat "$folder/err")"
    [ ! -s "$folder/out" ] || fail "$* writes to the standard output"
}

"$proxy" --help | grep -q -- '--connect ADDRESS' || fail "--help"
"$proxy" --version | grep -q '^gibson-proxy [0-9]' || fail "--version"

refuses 2 "--connect is missing"
refuses 2 "unrecognized option" --connect 127.0.0.1:1 --nonsense
refuses 2 "it takes options only" --connect 127.0.0.1:1 more
refuses 2 'fault "reply:cat": there is no fault' --connect 127.0.0.1:1 --fault reply:cat
refuses 2 "cannot read $folder/none" --connect 127.0.0.1:1 --script "$folder/none"
printf '# a comment\n\nreply:cut@7 # and another\nreply:hold=x\n' >"$folder/script"
refuses 2 "script:4: fault \"reply:hold=x\": the time" --connect 127.0.0.1:1 --script "$folder/script"
refuses 1 'address "127.0.0.1"' --connect 127.0.0.1
refuses 1 "cannot listen on" --connect 127.0.0.1:1 --listen "unix:$folder/none/proxy"

# A proxy with commands: ended by quit, with its socket removed.
sed -i '$d' "$folder/script"
coproc program { "$proxy" -c "unix:$folder/server" -l "unix:$folder/proxy" -s "$folder/script" -i; }
ask() {
    echo "$1" >&"${program[1]}"
    read -r -t 20 answer <&"${program[0]}" || fail "no answer to $1"
}
read -r -t 20 answer <&"${program[0]}" || fail "it does not start"
[ "$answer" = "listening on unix:$folder/proxy" ] || fail "it says $answer"
ask counters
[ "$answer" = "ok accepted=0 open=0 server_open=0 struck=0 request_bytes=0 reply_bytes=0 kept_back=0" ] ||
    fail "counters: $answer"
for command in "fault 2/request:delay@3=50" heal release drop; do
    ask "$command"
    [ "$answer" = ok ] || fail "$command: $answer"
done
ask "fault x"
[[ $answer == "error: fault \"x\": it begins with"* ]] || fail "a wrong fault: $answer"
ask "nonsense"
[[ $answer == "error: the commands are"* ]] || fail "a wrong command: $answer"
# shellcheck disable=SC2154 # coproc sets it
pid=$program_PID
ask quit
wait "$pid" || fail "it ends with $?"
[ ! -e "$folder/proxy" ] || fail "its socket is left"

# Without commands, it ends by a signal, with status 0.
mkfifo "$folder/said"
"$proxy" -c 127.0.0.1:1 -l "unix:$folder/proxy" >"$folder/said" </dev/null &
pid=$!
read -r -t 20 answer <"$folder/said" || fail "it does not start"
kill -TERM "$pid"
wait "$pid" || fail "it ends with $? after SIGTERM"
[ ! -e "$folder/proxy" ] || fail "its socket is left"
