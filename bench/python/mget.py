"""Counts the allocations of an mget, of the C library and of Python's allocators together.

Usage: mget.py [ITEMS]

PYTHONMALLOC=malloc sends all of Python's allocations to malloc, and count_malloc.c, which is compiled
and preloaded, counts the calls of malloc, calloc and realloc. The program runs itself again for that.
"""

import ctypes
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def measure(count):
    from pygibson import Server

    calls = ctypes.CDLL(None).allocation_count
    calls.restype = ctypes.c_ulong
    with Server() as server, server.client(timeout=60_000) as client:
        with client.pipeline() as batch:
            for number in range(count):
                batch.set(f"app:user:{number}:field", "v" * 100)
        client.mget("app:user:1:")  # buffers of the connection
        before = calls()
        items = client.mget("app:")
        during = calls() - before
    assert len(items) == count
    print(f"{count} items: {during} allocations, {during / count:.4f} an item")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if "allocation_count" in os.environ.get("LD_PRELOAD", ""):
        measure(count)
        return
    with tempfile.TemporaryDirectory() as directory:
        library = os.path.join(directory, "allocation_count.so")
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "count_malloc.c")],
            check=True,
        )
        environment = {**os.environ, "LD_PRELOAD": library, "PYTHONMALLOC": "malloc"}
        subprocess.run([sys.executable, __file__, str(count)], env=environment, check=True)


if __name__ == "__main__":
    main()
