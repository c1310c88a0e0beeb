"""Fixtures for tests of programs that use a Gibson server. pytest finds them by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import Client, Proxy, Server


@pytest.fixture
def gibson_server() -> Iterator[Server]:
    """An empty gibson-server on a temporary unix socket, which ends with the test."""
    with Server() as server:
        yield server


@pytest.fixture
def gibson_client(gibson_server: Server) -> Iterator[Client]:
    """A Client of gibson_server. Its timeout of 10 s suits slow test machines."""
    with gibson_server.client(timeout=10_000) as client:
        yield client


@pytest.fixture
def gibson_proxy(gibson_server: Server) -> Iterator[Proxy]:
    """A Proxy in front of gibson_server. It has no faults until the test adds some."""
    with Proxy(gibson_server) as proxy:
        yield proxy
