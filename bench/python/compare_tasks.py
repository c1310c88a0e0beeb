"""Compares clients for asyncio: gets per second of CPU time, by 1, 10, 100 and 1,000 tasks.

Usage: compare_tasks.py REDIS [ROUNDS [SECONDS]]

REDIS is the program of a Redis or Valkey server ("redis-server"), or its words, such as
"chroot /srv/peers /usr/bin/valkey-server" (see scripts/peers). bench/python/setup-peers makes a
virtual environment with all the clients; this runs tasks.py in the same Python as itself. All are
measured in turns, ROUNDS times (3) for SECONDS each (2), and the best of each is printed, as other
programs on the machine only take away. The servers listen on the loopback, as valkey-glide has no
unix sockets, for it, and on unix sockets for the others.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import pygibson

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tasks.py")
CLIENTS = ("pygibson", "redis", "coredis", "glide", "none")
LOOPS = ("asyncio", "uvloop")
TASKS = (1, 10, 100, 1000)
PORT = 16379


@contextmanager
def redis_server(command, folder):
    """Starts a server. Yields the path of its unix socket."""
    root = ""
    if "chroot" in command:  # it sees no folder of ours, but we see those of its own
        root = command[command.index("chroot") + 1]
        folder = f"/tmp/compare-tasks-{os.getpid()}"
        os.makedirs(root + folder)
    socket = os.path.join(folder, "redis")
    words = [*command, "--port", str(PORT), "--bind", "127.0.0.1", "--unixsocket", socket]
    words += ["--save", "", "--maxclients", "5000"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while not os.path.exists(root + socket):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"{command} did not start")
        time.sleep(0.05)
    try:
        yield root + socket
    finally:
        process.terminate()
        process.wait()
        if root:
            shutil.rmtree(root + folder)


def measure(client, sockets, loop, tasks, seconds):
    done = subprocess.run(
        [sys.executable, PROGRAM, client, sockets[client], loop, str(tasks), str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds * 10 + 60,
    )
    if done.returncode:
        sys.stderr.write(done.stderr[-500:])
        return 0, 0
    cpu, clock = done.stdout.split()
    return int(cpu), int(clock)


def compare(sockets, rounds, seconds):
    best = {}
    for _ in range(rounds):
        for loop in LOOPS:
            for tasks in TASKS:
                for client in CLIENTS:
                    place = (loop, tasks, client)
                    found = measure(client, sockets, loop, tasks, seconds)
                    best[place] = max(best.get(place, (0, 0)), found)
    return best


def show(best):
    print("| loop, tasks |", " | ".join(CLIENTS), "| to redis | to glide |")
    print("|---" * (len(CLIENTS) + 3) + "|")
    for loop in LOOPS:
        for tasks in TASKS:
            row = [best[loop, tasks, client][0] for client in CLIENTS]
            ratios = [f"{row[0] / row[at]:.1f}" if row[at] else "" for at in (1, 3)]
            print(f"| {loop}, {tasks:,} |", " | ".join(f"{n:,}" for n in row), end=" | ")
            print(" | ".join(ratios), "|")


def main():
    command = shlex.split(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 2
    with tempfile.TemporaryDirectory() as folder, redis_server(command, folder) as redis:
        gibson = os.path.join(folder, "gibson")
        with pygibson.Server(unix_socket=gibson):
            sockets = dict.fromkeys(CLIENTS, redis)
            sockets.update(pygibson=gibson, glide=f"127.0.0.1:{PORT}", none="-")
            show(compare(sockets, rounds, seconds))


if __name__ == "__main__":
    main()
