"""Fixtures. Tests share servers, and keep apart by prefixes of their keys."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Callable

import pytest
from peer import Peer, Script
from pygibson import Client, Server

# In milliseconds: what a busy machine never reaches.
PATIENT = 30_000


@pytest.fixture(scope="session", params=["unix", "tcp"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(port=0 if request.param == "tcp" else None) as started:
        yield started


@pytest.fixture(scope="session")
def unix_server() -> Iterator[Server]:
    """For tests to which the kind of socket makes no difference."""
    with Server() as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client(timeout=PATIENT) as connected:
        yield connected


@pytest.fixture
def unix_client(unix_server: Server) -> Iterator[Client]:
    with unix_server.client(timeout=PATIENT) as connected:
        yield connected


_numbers = itertools.count()


@pytest.fixture
def prefix() -> str:
    """A prefix of keys that no other test uses."""
    return f"t{os.getpid()}.{next(_numbers)}."


@pytest.fixture
def short_path() -> Iterator[Callable[[], str]]:
    """Makes paths that fit a unix socket, which those of tmp_path may not."""
    directory = tempfile.mkdtemp(prefix="gibson-")
    numbers = itertools.count()
    yield lambda: os.path.join(directory, str(next(numbers)))
    shutil.rmtree(directory)


@pytest.fixture
def peer(short_path: Callable[[], str]) -> Iterator[Callable[..., Peer]]:
    """Starts peers with scripts, which end with the test."""
    started: list[Peer] = []

    def start(*scripts: Script) -> Peer:
        started.append(Peer(short_path(), *scripts))
        return started[-1]

    yield start
    for each in started:
        each.close()
