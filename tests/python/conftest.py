"""Fixtures. Tests share servers, and keep apart by prefixes of their keys."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Callable

import clustered
import looped
import pygibson._process
import pytest
from peer import Peer, Script
from pygibson import Client, Cluster, Pool, Server

# In milliseconds: what a busy machine never reaches.
PATIENT = 30_000


# Their tests are for both Clients and for Pool, but for those marked as being for the blocking
# Client alone, or as being not for Pool.
SHARED = (
    "test_arguments",
    "test_commands",
    "test_errors",
    "test_faults",
    "test_lifetime",
    "test_pipeline",
    "test_values",
)

# These are for Cluster, too, but for those marked as not being so.
CLUSTERED = ("test_commands", "test_pipeline")

# They take half a minute more for each, so that is done on the oldest and the newest Python, and on
# that of Debian 12; what is of asyncio or Pool alone (test_aio*.py, test_pool.py) is tested on all.
ALL_APIS_ON = ((3, 9), (3, 11), (3, 13))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    def is_marked(name: str) -> bool:
        return metafunc.definition.get_closest_marker(name) is not None

    if metafunc.module.__name__ in SHARED and not is_marked("blocking"):
        apis = ["blocking"]
        if sys.version_info[:2] in ALL_APIS_ON:
            apis += ["aio"] if is_marked("not_for_pool") else ["aio", "pool"]
            if metafunc.module.__name__ in CLUSTERED and not is_marked("not_for_cluster"):
                apis.append("cluster")
        metafunc.parametrize("api", apis, indirect=True)


@pytest.fixture(autouse=True)
def api(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which Client a test is for: it stands in the place of the blocking one."""
    kind: str = getattr(request, "param", "blocking")
    if kind == "aio":
        monkeypatch.setattr(pygibson._process, "Client", looped.Client)
        for name in ("Client", "Pipeline"):
            if hasattr(request.module, name):
                monkeypatch.setattr(request.module, name, getattr(looped, name))
    elif kind in ("pool", "cluster"):
        other = Pool if kind == "pool" else clustered.Client
        monkeypatch.setattr(pygibson._process, "Client", other)
        if hasattr(request.module, "Client"):
            monkeypatch.setattr(request.module, "Client", other)
    return kind


@pytest.fixture(scope="session", autouse=True)
def close_loop() -> Iterator[None]:
    yield
    looped.close_loop()


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


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    """Those of `cluster`."""
    started = [Server() for _ in range(3)]
    for server in started:
        server.start()
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def cluster(servers: list[Server]) -> Iterator[Cluster]:
    addresses = [clustered.address(server) for server in servers]
    with Cluster(addresses, timeout=PATIENT) as made:
        yield made


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
