"""Reads a value of 100 bytes COUNT times, through one of several clients.

Usage: get.py pygibson|pool|pylibmc|redis SOCKET COUNT

instructions.py runs it under callgrind with two counts: the difference is what a read costs, the
loop of the interpreter included.
"""

import sys
from itertools import repeat

KEY = "app:user:1:field"
VALUE = b"v" * 100


def connect(library, socket):
    if library == "pygibson":
        from pygibson import Client

        return Client(unix_socket=socket, timeout=60_000)
    if library == "pool":
        from pygibson import Pool

        return Pool(unix_socket=socket, timeout=60_000)
    if library == "pylibmc":
        import pylibmc

        return pylibmc.Client([socket], binary=True)
    import redis

    return redis.Redis(unix_socket_path=socket)


def read(client, key, count):
    for _ in repeat(None, count):
        client.get(key)


def main():
    library, socket, count = sys.argv[1:]
    client = connect(library, socket)
    client.set(KEY, VALUE)
    assert client.get(KEY) == VALUE
    read(client, KEY, int(count))


if __name__ == "__main__":
    main()
