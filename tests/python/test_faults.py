"""Peers that are late, slow or gone: no call takes the reply of another, none waits for ever."""

from __future__ import annotations

import socket
import threading
import time
from typing import Callable

import pytest
from peer import LONG, Connection, Peer, echo_keys, is_probe, probe_answer, silence, value
from pygibson import (
    Client,
    ConnectionLostError,
    ProtocolError,
    PyGibsonError,
    Server,
    ServerTimeoutError,
    UnreachableError,
)


def test_a_late_reply_is_never_read(peer: Callable[..., Peer]) -> None:
    release = threading.Event()
    sent = threading.Event()

    def late(connection: Connection) -> None:
        _, key = connection.request()
        assert release.wait(LONG)
        try:
            connection.send(value(b"late " + key))
        finally:
            sent.set()
        echo_keys(connection)  # the asynchronous Client may have kept it

    client = Client(unix_socket=peer(late, echo_keys).path, timeout=50, reconnect=True)
    with pytest.raises(ServerTimeoutError):
        client.get("first")
    release.set()
    assert sent.wait(LONG)
    client.timeout = 30_000
    assert client.get("second") == b"second"
    assert client.get("third") == b"third"


def test_replies_that_are_shifted_are_noticed(peer: Callable[..., Peer]) -> None:
    """Each comes when the next request has, so that nothing is there before a call."""
    probes: list[tuple[int, bytes]] = []

    def shifted(connection: Connection) -> None:
        late = value(b"what nobody asked for")
        while True:
            request = connection.any_request()
            probes.extend([request] if is_probe(request) else [])
            connection.send(late)
            late = probe_answer(request) if is_probe(request) else value(request[1])

    client = Client(unix_socket=peer(shifted).path, timeout=30_000)
    with pytest.raises(ProtocolError, match="a reply that answers nothing"):
        for count in range(127):
            client.get(str(count))
    # The client may be gone before the question was read as a whole.
    opcodes = [opcode for opcode, _ in probes]
    assert opcodes and opcodes == [17, 20, 20, 20][: len(opcodes)]
    assert not client.connected


@pytest.mark.blocking  # the other one goes on: see test_aio.py
def test_without_reconnect_the_connection_stays_broken(peer: Callable[..., Peer]) -> None:
    started = peer(silence, echo_keys)
    client = Client(unix_socket=started.path, timeout=50)
    with pytest.raises(ServerTimeoutError):
        client.get("first")
    with pytest.raises(ConnectionLostError, match="timeout of 50 ms"):
        client.get("second")
    assert started.connections == 1
    client.connect()
    client.timeout = 30_000
    assert client.get("third") == b"third"


def test_the_timeout_is_for_the_whole_operation(peer: Callable[..., Peer]) -> None:
    """A peer that always has one more byte does not stretch it."""
    end = threading.Event()

    def dribble(connection: Connection) -> None:
        connection.request()
        for byte in value(b"x" * 100_000):
            connection.send(bytes([byte]))
            if end.wait(0.01):
                return

    client = Client(unix_socket=peer(dribble).path, timeout=200)
    start = time.monotonic()
    with pytest.raises(ServerTimeoutError):
        client.get("key")
    end.set()
    assert 0.19 < time.monotonic() - start < 5


def test_a_reply_in_single_bytes(peer: Callable[..., Peer]) -> None:
    def dribble(connection: Connection) -> None:
        connection.end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        connection.request()
        for byte in value(b"dribbled"):
            connection.send(bytes([byte]))
        connection.wait_for_end()

    client = Client(unix_socket=peer(dribble).path, timeout=30_000)
    assert client.get("key") == b"dribbled"


def test_no_timeout_waits(peer: Callable[..., Peer]) -> None:
    answer = threading.Event()

    def script(connection: Connection) -> None:
        connection.request()
        assert answer.wait(LONG)
        connection.send(value(b"at last"))
        connection.wait_for_end()

    client = Client(unix_socket=peer(script).path, timeout=None)
    assert client.timeout is None
    timer = threading.Timer(0.2, answer.set)
    timer.start()
    assert client.get("key") == b"at last"
    timer.join()


def test_the_timeout_can_be_changed(peer: Callable[..., Peer]) -> None:
    client = Client(unix_socket=peer(silence).path, timeout=None)
    client.timeout = 20
    assert client.timeout == 20
    with pytest.raises(ServerTimeoutError):
        client.get("key")
    for bad, kind in ((0, ValueError), (-1, ValueError), ("1", TypeError), (1.5, TypeError)):
        with pytest.raises(kind):
            client.timeout = bad  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        del client.timeout
    assert client.timeout == 20


def test_connecting_has_a_timeout_of_its_own(short_path: Callable[[], str]) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = []
        start = time.monotonic()
        try:
            with pytest.raises(ServerTimeoutError) as caught:
                for _ in range(50):  # until the backlog is full
                    waiting.append(Client("127.0.0.1", port, connect_timeout=100))
            assert caught.value.server == f"127.0.0.1:{port}"
            assert time.monotonic() - start < 10
        finally:
            for client in waiting:
                client.close()


def test_reconnect_after_a_restart(prefix: str) -> None:
    with Server() as server:
        client = server.client(timeout=30_000, reconnect=True, reconnect_delay=1)
        client.set(prefix, "value")
        server.stop()
        with pytest.raises((ConnectionLostError, UnreachableError)):
            client.get(prefix)
        assert not client.connected
        server.start()
        end = time.monotonic() + LONG
        while True:
            try:
                client.set(prefix, "again")
                break
            except UnreachableError:  # until reconnect_delay is over
                assert time.monotonic() < end
        assert client.connected
        assert client.get(prefix) == b"again"


def test_a_lost_command_is_repeated_only_where_asked(peer: Callable[..., Peer]) -> None:
    def hang_up(connection: Connection) -> None:
        connection.request()

    client = Client(
        unix_socket=peer(hang_up, echo_keys).path, timeout=30_000, reconnect=True,
        retry_repeatable=True,
    )  # fmt: skip
    assert client.get("key") == b"key"

    started = peer(hang_up, echo_keys)
    client = Client(unix_socket=started.path, timeout=30_000, reconnect=True)
    with pytest.raises(ConnectionLostError):
        client.get("key")
    assert client.get("key") == b"key"

    started = peer(hang_up, echo_keys)
    client = Client(unix_socket=started.path, timeout=30_000, reconnect=True, retry_repeatable=True)
    with pytest.raises(ConnectionLostError):
        client.inc("key")
    assert started.connections == 1


def test_a_silent_server_is_never_a_miss(peer: Callable[..., Peer]) -> None:
    for script in (silence, lambda connection: None):
        client = Client(unix_socket=peer(script).path, timeout=50)
        with pytest.raises(PyGibsonError) as caught:
            client.get("key")
        assert type(caught.value) in (ServerTimeoutError, ConnectionLostError)


def test_a_lost_connection_is_an_error_not_a_signal(peer: Callable[..., Peer]) -> None:
    """Writing to a connection that is gone must not end the process by SIGPIPE."""
    import signal

    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        client = Client(unix_socket=peer(lambda connection: None).path, timeout=30_000)
        with pytest.raises(ConnectionLostError):
            while True:
                client.set("key", "v" * 100_000)
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_many_descriptors(unix_server: Server) -> None:
    """A descriptor above 1024 is as good as any."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("too few descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    opened = []
    try:
        opened = [socket.socket() for _ in range(1200)]
        with unix_server.client(timeout=30_000) as client:
            client.ping()
    finally:
        for each in opened:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
