"""Clusters for tests. One of a single server has the arguments of Client: so tests of that are
tests of both."""

from __future__ import annotations

import os
from typing import Any

from pygibson import Cluster, Proxy, Server


def address(server: Server | Proxy) -> str:
    return f"unix:{server.unix_socket}"


class Client(Cluster):
    __doc__ = Cluster.__doc__

    def __init__(
        self,
        addr: str = "127.0.0.1",
        port: int = 10128,
        unix_socket: str | None = None,
        timeout: int | None = 60,
        **options: Any,
    ) -> None:
        server = f"{addr}:{port}" if unix_socket is None else f"unix:{os.fspath(unix_socket)}"
        super().__init__([server], timeout, **options)

    @property
    def server(self) -> str:
        return self.servers[0].server
