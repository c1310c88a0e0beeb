"""Compares the throughput of one thread on one Client with that of two threads on two.

Usage: threads.py [SECONDS]

Reads of 100 bytes, alone and in batches of 64, and single reads from a peer that takes its time (a
millisecond), where it is the waits that can overlap. Each is measured three times, by turns, and the
best is taken, as other programs on the machine only take away.
"""

import os
import socket
import struct
import sys
import tempfile
import threading
import time

from pygibson import Client, Server

KEY = "app:user:1:field"


def operations(call, size, threads, seconds, connect):
    """Operations a second of all threads together."""
    counts = [0] * threads
    barrier = threading.Barrier(threads + 1)
    end = threading.Event()

    def run(index):
        with connect() as client:
            barrier.wait()
            while not end.is_set():
                call(client)
                counts[index] += size

    started = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    for thread in started:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    time.sleep(seconds)
    end.set()
    elapsed = time.perf_counter() - start
    for thread in started:
        thread.join()
    return sum(counts) / elapsed


def single(client):
    for _ in range(64):
        client.get(KEY)


def batch(client):
    pipeline = client.pipeline()
    for _ in range(64):
        pipeline.get(KEY)
    pipeline.execute()


def one(client):
    client.get(KEY)


def slow_peer(path):
    """A process that answers each request after a millisecond."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    pid = os.fork()
    if pid:
        listener.close()
        return pid

    def serve(end):
        reply = struct.pack("<HBI", 6, 0, 100) + b"v" * 100
        while end.recv(4096):
            time.sleep(0.001)
            end.sendall(reply)

    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def compare(name, call, size, seconds, connect):
    best = {1: 0.0, 2: 0.0}
    for _ in range(3):
        for threads in best:
            best[threads] = max(best[threads], operations(call, size, threads, seconds, connect))
    print(f"{name:<28}{best[1]:>12.0f}{best[2]:>12.0f}{best[2] / best[1]:>8.2f}", flush=True)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(f"{'operations a second':<28}{'one thread':>12}{'two':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "slow")
        pid = slow_peer(path)
        compare("peer that takes 1 ms", one, 1, seconds,
                lambda: Client(unix_socket=path, timeout=60_000))  # fmt: skip
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    with Server() as server:
        with server.client(timeout=60_000) as client:
            client.set(KEY, "v" * 100)

        def connect():
            return server.client(timeout=60_000)

        compare("gibson-server, single", single, 64, seconds, connect)
        compare("gibson-server, batches of 64", batch, 64, seconds, connect)


if __name__ == "__main__":
    main()
