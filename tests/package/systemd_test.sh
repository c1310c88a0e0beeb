#!/bin/sh
# Installs gibson-server where its units say it is, and has systemd run them: the hardened service, and
# the sockets. All in namespaces and on a root of its own, which is an overlay: nothing of this machine
# changes, and what it runs goes away with the systemd that is started here.
#
#     GIBSON_TEST_SYSTEMD=1 systemd_test.sh BUILD_DIR
set -eu
build=$1

skip() {
    echo "skipped: $1"
    exit 77
}
test "${GIBSON_TEST_SYSTEMD:-}" = 1 || skip "it starts a systemd, where GIBSON_TEST_SYSTEMD=1 asks for that"
test "$(id -u)" = 0 || skip "only root can start a systemd"
systemd=/lib/systemd/systemd
test -x $systemd || skip "there is no systemd"
for program in unshare nsenter python3; do
    command -v $program >/dev/null || skip "there is no $program"
done
if test -d /sys/fs/cgroup/systemd; then
    hierarchy=/sys/fs/cgroup/systemd
elif test -f /sys/fs/cgroup/cgroup.procs; then
    hierarchy=/sys/fs/cgroup
else
    skip "there are no cgroups"
fi
group=$hierarchy/gibson-test-$$
mkdir $group 2>/dev/null || skip "cgroups cannot be made"

work=$(mktemp -d)
boot=
finish() {
    test -z "$boot" || kill -KILL "$boot" 2>/dev/null || true
    wait
    tries=0
    while ! find $group -depth -type d -exec rmdir {} + 2>/dev/null && test $tries -lt 50; do
        tries=$((tries + 1))
        sleep 0.1 # until the last of its processes is gone
    done
    rm -rf "$work"
}
trap finish EXIT

# What is mounted here is seen by what this starts, and by nobody else.
cat >"$work/start.sh" <<'START'
set -eu
work=$1 build=$2 systemd=$3 hierarchy=$4
mount --make-rprivate /
mkdir "$work/space"
mount -t tmpfs tmpfs "$work/space"
root=$work/space/root
mkdir "$work/space/upper" "$work/space/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$work/space/upper,workdir=$work/space/work" overlay "$root" ||
    exit 77
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
: >"$work/messages" # of systemd, in place of the log of the kernel
: >"$root/dev/kmsg"
mount --bind "$work/messages" "$root/dev/kmsg"
mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue" "$root/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
if test "$hierarchy" = /sys/fs/cgroup; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
fi
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
chmod 1777 "$root/tmp"

# Of the units of this machine only what others build on.
units=$root/usr/lib/systemd/system
mkdir "$work/space/units"
for unit in basic local-fs multi-user network shutdown sockets sysinit umount; do
    sed '/^\(Requires\|Wants\|After\)=/d' "$units/$unit.target" >"$work/space/units/$unit.target"
done
rm -rf "$units" "$root"/etc/systemd/system "$root"/usr/lib/systemd/system-generators \
    "$root"/etc/systemd/system-generators "$root"/usr/local/lib/systemd
mkdir -p "$root/etc/systemd/system" "$units"
cp "$work/space/units"/* "$units"
DESTDIR=$root cmake --install "$build" --component server >"$work/log"
cp "$work/client.py" "$root/client.py"
chroot "$root" systemd-sysusers >>"$work/log" 2>&1
chroot "$root" systemctl enable gibson-server.service >>"$work/log" 2>&1
echo "$root" >"$work/root"
cd "$root"
mkdir old
pivot_root . old # what namespaces of services are made of has to be a root, and no chroot
umount -l old
exec env -i container=gibson-test PATH="$PATH" "$systemd" --system --unit=multi-user.target \
    --log-target=kmsg --log-level=info
START

# PING or SET, and whether the answer is the one that is expected.
cat >"$work/client.py" <<'CLIENT'
import os, socket, struct, sys

address, opcode, payload, expected, *user = sys.argv[1:]
if user:
    os.setgroups([int(user[1])])
    os.setgid(65534)
    os.setuid(int(user[0]))
unix = address.startswith("/")
client = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
client.connect(address if unix else ("127.0.0.1", int(address)))
client.settimeout(20)
try:
    client.sendall(struct.pack("<IH", 2 + len(payload), int(opcode)) + payload.encode())
    reply = client.recv(4096)
except (BrokenPipeError, ConnectionResetError):
    reply = b""
code = struct.unpack("<H", reply[:2])[0] if reply else "closed"
if str(code) != expected:
    raise SystemExit(f"{sys.argv[1:]}: {code}")
CLIENT

# Only this shell goes into the cgroup, so that it is the root of the namespace.
sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh $group \
    unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child=KILL --mount-proc \
    sh "$work/start.sh" "$work" "$(realpath "$build")" $systemd $hierarchy >"$work/console" 2>&1 &
boot=$!

fail() {
    echo "$1"
    test -z "${init:-}" || inside systemctl status gibson-server.service || true
    cat "$work/console" "$work/log" "$work/messages" 2>/dev/null
    exit 1
}
# Runs a command where systemd is the first process.
inside() {
    nsenter --target "$init" --mount --uts --ipc --net --pid --cgroup --root --wd "$@"
}
# Repeats a command until it succeeds; for half a minute at most.
await() {
    tries=0
    until "$@" >"$work/said" 2>&1; do
        tries=$((tries + 1))
        kill -0 $boot 2>/dev/null || {
            result=0
            wait $boot || result=$?
            boot=
            test $result != 77 || skip "no overlay can be mounted here"
            fail "systemd ended with $result"
        }
        test $tries -lt 300 || fail "this did not come to pass: $* ($(cat "$work/said"))"
        sleep 0.1
    done
}
find_init() {
    test -s "$work/root" && init=$(pgrep -P "$boot") && inside systemctl is-active multi-user.target
}
property() {
    inside systemctl show --value -p "$2" "$1"
}
main_status() {
    inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$(property gibson-server.service MainPID)/status"
}
configure() {
    printf '%s\n' "$@" >"$work/gibson.conf"
    inside sh -c "cat >$config" <"$work/gibson.conf"
}
PING=19 SET=1 OK=5 VAL=6 ERR=0

echo "-- the service is started with the machine, and ready"
await find_init
await inside systemctl is-active gibson-server.service
config=$(property gibson-server.service ExecStart | sed -n 's/.* -c \([^ ;]*\) .*/\1/p')
inside test -f "$config"
inside python3 /client.py 10128 $PING "" $OK

echo "-- it is a user of its own, and hardened"
user=$(inside id -u gibson)
members=$(inside id -g gibson)
test "$(main_status Uid | cut -f1)" = "$user"
test "$(main_status NoNewPrivs)" = 1
test "$(main_status Seccomp)" = 2
test "$(main_status CapEff)" = 0000000000000000
test "$(main_status CapBnd)" = 0000000000000000

echo "-- a reload changes what can change"
configure "max_value_size 3" "logfile /var/log/gibson/log"
inside systemctl reload gibson-server.service
await inside grep -q "max_value_size: 3 instead of 2M" /var/log/gibson/log
inside python3 /client.py 10128 $SET "0 k abcd" $ERR
inside python3 /client.py 10128 $SET "0 k abc" $VAL

echo "-- members of the group may connect to a socket in /run/gibson, others not"
configure "unix_socket /run/gibson/socket" "unix_socket_mode 666" "unix_socket_groups gibson" \
    "address 127.0.0.1"
inside systemctl restart gibson-server.service
inside python3 /client.py /run/gibson/socket $PING "" $OK 65533 "$members"
inside python3 /client.py /run/gibson/socket $PING "" closed 65533 65533
inside python3 /client.py 10128 $PING "" $OK

echo "-- it ends as it should"
inside systemctl stop gibson-server.service
test "$(property gibson-server.service Result)" = success
test "$(property gibson-server.service ExecMainStatus)" = 0
inside test ! -e /run/gibson/socket

echo "-- the sockets start it"
inside systemctl start gibson-server.socket
test "$(property gibson-server.service ActiveState)" = inactive
inside python3 /client.py /run/gibson-server.socket $PING "" $OK 65533 "$members"
test "$(property gibson-server.service ActiveState)" = active
inside python3 /client.py 10128 $PING "" $OK
test "$(inside stat -c '%G %a' /run/gibson-server.socket)" = "gibson 660"
inside systemctl stop gibson-server.service gibson-server.socket
