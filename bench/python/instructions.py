"""Counts the instructions that a read of 100 bytes takes in user space, for several clients.

Usage: instructions.py [COUNT]

callgrind runs get.py for COUNT and for twice COUNT reads, in the same Python as this, and the
difference divided by COUNT is one read. Clients that cannot be imported, and servers that are not
installed, are left out.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import pygibson

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "get.py")


@contextmanager
def gibson_server(socket):
    with pygibson.Server(unix_socket=socket):
        yield


def listening(*command):
    @contextmanager
    def run(socket):
        process = subprocess.Popen(
            [part.format(socket=socket) for part in command], stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + 10
        while not os.path.exists(socket):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(0.01)
        try:
            yield
        finally:
            process.terminate()
            process.wait()

    return run


SERVERS = {
    "pygibson": gibson_server,
    "pool": gibson_server,
    "pylibmc": listening("memcached", "-s", "{socket}", "-u", "nobody"),
    "redis": listening("redis-server", "--port", "0", "--unixsocket", "{socket}", "--save", ""),
}


def instructions(library, socket, count):
    output = os.path.join(os.path.dirname(socket), "callgrind.out")
    result = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", sys.executable, PROGRAM,
         library, socket, str(count)],
        capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    if result.returncode != 0:
        raise SystemExit(result.stderr)
    return int(re.search(r"Collected : (\d+)", result.stderr)[1])


def available(library):
    program = {"pylibmc": "memcached", "redis": "redis-server"}.get(library)
    module = "pygibson" if library == "pool" else library
    return importlib.util.find_spec(module) and (program is None or shutil.which(program))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(sys.version)
    for library, server in SERVERS.items():
        if not available(library):
            print(f"{library}: not available")
            continue
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o777)  # memcached drops root before it makes its socket
            socket = os.path.join(directory, "socket")
            with server(socket):
                once, twice = (instructions(library, socket, n * count) for n in (1, 2))
        print(f"{library:>10}: {(twice - once) / count:8.0f} instructions an operation", flush=True)


if __name__ == "__main__":
    main()
