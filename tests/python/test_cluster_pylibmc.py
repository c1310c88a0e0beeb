"""Cluster places keys where pylibmc, which is libmemcached, has them: memcached servers tell."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from daemons import Daemon
from pygibson import Cluster

pylibmc = pytest.importorskip("pylibmc", reason="pylibmc has no wheel for this Python")

KEYS = [f"key:{number}" for number in range(2000)]


class Memcached(Daemon):
    ready = "server listening"
    taken = "Address already in use"

    def __init__(self) -> None:
        super().__init__("memcached", "memcached", 1)

    def arguments(self) -> list[str]:
        return ["-v", "-v", "-l", "127.0.0.1", "-p", str(self.ports[0]), "-u", "nobody", "-m", "16"]

    def keys(self) -> set[str]:
        """Those that it has, of KEYS."""
        found = set()
        with (
            socket.create_connection(("127.0.0.1", self.ports[0])) as end,
            end.makefile("rb") as said,
        ):
            for key in KEYS:
                end.sendall(f"get {key}\r\n".encode())
                line = said.readline()
                if line.startswith(b"VALUE "):
                    found.add(key)
                    said.readline()
                    line = said.readline()
                assert line == b"END\r\n"
        return found


@pytest.fixture
def servers() -> Iterator[list[Memcached]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Memcached()) for _ in range(4)]


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (1, 2, 3, 10), (100, 1, 50, 7)])
def test_keys_are_where_pylibmc_has_them(
    servers: list[Memcached], weights: tuple[int, ...]
) -> None:
    addresses = [f"127.0.0.1:{server.ports[0]}" for server in servers]
    client = pylibmc.Client(
        [f"{address}:{weight}" for address, weight in zip(addresses, weights)],
        behaviors={"ketama_weighted": True},
    )
    for key in KEYS:
        assert client.set(key, "v")
    cluster = Cluster(list(zip(addresses, weights)))
    for server, address in zip(servers, addresses):
        assert server.keys() == {key for key in KEYS if cluster.server_of(key) == address}
