"""Signals: handlers run during a wait, and what they raise breaks the connection."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, Callable

import pytest
from peer import LONG, Connection, Held, Peer, echo_keys, in_background, value
from pygibson import Client, ConnectionLostError, UsageError

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="signal handlers run in the main thread",
)


class Interruption(BaseException):
    pass


@pytest.fixture
def handle() -> Iterator[Callable[..., None]]:
    """Sets handlers of signals, for the time of the test."""
    before: dict[int, Any] = {}

    def install(number: int, handler: Any) -> None:
        before.setdefault(number, signal.signal(number, handler))

    yield install
    for number, handler in before.items():
        signal.signal(number, handler)


class Silent:
    """A script that answers late or not at all, and sends a signal once it was asked."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sent_at = 0.0
        self.release = threading.Event()
        self.answered = threading.Event()

    def __call__(self, connection: Connection) -> None:
        _, key = connection.request()
        self.sent_at = time.monotonic()
        os.kill(os.getpid(), self.number)
        assert self.release.wait(LONG)
        try:
            connection.send(value(b"late " + key))
        finally:
            self.answered.set()
        connection.wait_for_end()


def wait_forever(client: Client, call: str) -> None:
    if call == "get":
        client.get("first")
    else:
        client.pipeline().get("first").get("another").execute()


@pytest.mark.parametrize("call", ["get", "pipeline"])
def test_ctrl_c_within_100_ms(
    peer: Callable[..., Peer], handle: Callable[..., None], call: str
) -> None:
    handle(signal.SIGINT, signal.default_int_handler)
    delays = []
    for _ in range(5):
        script = Silent(signal.SIGINT)
        client = Client(unix_socket=peer(script).path, timeout=60_000)
        with pytest.raises(KeyboardInterrupt):
            wait_forever(client, call)
        delays.append(time.monotonic() - script.sent_at)
        script.release.set()
        assert not client.connected
        for _ in range(2):
            with pytest.raises(ConnectionLostError, match="an exception of a signal handler ended"):
                client.get("second")
        if delays[-1] < 0.1:
            break
    assert min(delays) < 0.1


@pytest.mark.parametrize("call", ["get", "pipeline"])
def test_after_an_exception_the_late_reply_is_never_seen(
    peer: Callable[..., Peer], handle: Callable[..., None], call: str
) -> None:
    def handler(number: int, frame: FrameType | None) -> None:
        raise Interruption

    handle(signal.SIGALRM, handler)
    script = Silent(signal.SIGALRM)
    client = Client(unix_socket=peer(script, echo_keys).path, timeout=60_000, reconnect=True)
    with pytest.raises(Interruption):
        wait_forever(client, call)
    script.release.set()
    assert script.answered.wait(LONG)
    assert client.get("second") == b"second"
    assert client.get("third") == b"third"


def test_a_handler_that_returns_changes_nothing(
    peer: Callable[..., Peer], handle: Callable[..., None]
) -> None:
    """The wait goes on, and its handler runs during the wait, not after it."""
    script = Silent(signal.SIGALRM)
    handle(signal.SIGALRM, lambda *_: script.release.set())
    client = Client(unix_socket=peer(script).path, timeout=60_000)
    assert client.get("first") == b"late first"


def test_a_storm_of_signals(
    peer: Callable[..., Peer], handle: Callable[..., None], unix_client: Client, prefix: str
) -> None:
    count = [0]

    def handler(number: int, frame: FrameType | None) -> None:
        count[0] += 1

    handle(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        end = time.monotonic() + LONG
        number = 0
        while count[0] < 200 and time.monotonic() < end:
            number += 1
            unix_client.set(prefix, f"{number}")
            assert unix_client.get(prefix) == b"%d" % number
            assert unix_client.pipeline().get(prefix).execute() == [b"%d" % number]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert count[0] >= 200


def test_the_timeout_holds_in_a_storm_of_signals(
    peer: Callable[..., Peer], handle: Callable[..., None]
) -> None:
    handle(signal.SIGALRM, lambda *_: None)
    client = Client(unix_socket=peer(lambda c: c.wait_for_end()).path, timeout=200)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    start = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            client.get("key")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert 0.19 < time.monotonic() - start < 5


def test_a_handler_that_uses_the_same_client(
    peer: Callable[..., Peer], handle: Callable[..., None]
) -> None:
    """It gets an error instead of waiting for its own thread for ever."""
    client: Client

    def handler(number: int, frame: FrameType | None) -> None:
        client.get("within")

    handle(signal.SIGALRM, handler)
    script = Silent(signal.SIGALRM)
    client = Client(unix_socket=peer(script).path, timeout=60_000)
    with pytest.raises(UsageError, match="signal handler"):
        client.get("first")
    script.release.set()
    assert not client.connected


def test_a_handler_that_uses_another_client(
    peer: Callable[..., Peer], handle: Callable[..., None], unix_client: Client
) -> None:
    script = Silent(signal.SIGALRM)

    def handler(number: int, frame: FrameType | None) -> None:
        unix_client.ping()
        script.release.set()

    handle(signal.SIGALRM, handler)
    client = Client(unix_socket=peer(script).path, timeout=60_000)
    assert client.get("first") == b"late first"


def test_a_signal_interrupts_the_wait_for_a_turn(
    peer: Callable[..., Peer], handle: Callable[..., None]
) -> None:
    handle(signal.SIGINT, signal.default_int_handler)
    script = Held()
    client = Client(unix_socket=peer(script).path, timeout=None)
    first = in_background(client.get, "first")
    assert script.asked.wait(LONG)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        client.get("second")
    timer.join()
    script.answer.set()
    assert first.result(LONG) == b"first"  # the other thread's command was not disturbed
    assert client.get("third") == b"third"


def test_a_handler_that_uses_the_client_for_whose_turn_it_waits(
    peer: Callable[..., Peer], handle: Callable[..., None]
) -> None:
    got: list[object] = []

    def handler(number: int, frame: FrameType | None) -> None:
        script.answer.set()
        got.append(client.get("within"))

    handle(signal.SIGALRM, handler)
    script = Held()
    client = Client(unix_socket=peer(script).path, timeout=None)
    first = in_background(client.get, "first")
    assert script.asked.wait(LONG)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGALRM))
    timer.start()
    assert client.get("second") == b"second"
    assert first.result(LONG) == b"first"
    assert got == [b"within"]
    timer.join()


def test_ctrl_c_while_it_connects(handle: Callable[..., None]) -> None:
    import socket

    handle(signal.SIGINT, signal.default_int_handler)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            Client("127.0.0.1", port, connect_timeout=60_000)
        timer.join()
        for filler in fillers:
            filler.close()
