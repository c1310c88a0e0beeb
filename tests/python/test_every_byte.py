"""The exchange of each command, cut after each byte and with each byte changed, in both directions.
tests/fault/every_byte_test.c has the same in C, with more ways to change a byte, and tells what no
client can notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from pygibson import (
    Client,
    ConnectionLostError,
    LockedError,
    NaNError,
    NotFoundError,
    ProtocolError,
    Proxy,
    PyGibsonError,
    Server,
    ServerError,
    ServerTimeoutError,
    TruncatedError,
)
from space import COMMANDS

PATIENT = 20_000  # milliseconds
SHORT = 20  # where waiting for more bytes is one of the right outcomes
HEADER = 7  # bytes of a reply
ANSWERS = (NotFoundError, LockedError, NaNError, ServerError, TruncatedError)

CALLS: dict[str, Callable[[Client], Any]] = {
    "set": lambda client: client.set("k:text", "a new value", 100),
    "ttl": lambda client: client.ttl("k:text", 50),
    "get": lambda client: client.get("k:text"),
    "dl": lambda client: client.dl("k:text"),
    "inc": lambda client: client.inc("k:number"),
    "dec": lambda client: client.dec("k:number"),
    "lock": lambda client: client.lock("k:text", 60),
    "unlock": lambda client: client.unlock("k:other"),
    "mset": lambda client: client.mset("k:", "the same"),
    "mttl": lambda client: client.mttl("k:", 70),
    "mget": lambda client: client.mget("k:", 2),
    "mdl": lambda client: client.mdl("k:"),
    "minc": lambda client: client.minc("k:"),
    "mdec": lambda client: client.mdec("k:"),
    "mlock": lambda client: client.mlock("k:", 60),
    "munlock": lambda client: client.munlock("k:"),
    "count": lambda client: client.count("k:"),
    "stats": lambda client: client.stats(),
    "ping": lambda client: client.ping(),
    "meta": lambda client: client.meta("k:text", "size"),
    "keys": lambda client: client.keys("k:"),
    "quit": lambda client: client.quit(),
}

State = dict[str, tuple[Any, int, int]]


@pytest.fixture(scope="module")
def proxy(unix_server: Server) -> Iterator[Proxy]:
    with Proxy(unix_server) as started:
        yield started


@pytest.fixture(scope="module")
def direct(unix_server: Server) -> Iterator[Client]:
    with unix_server.client(timeout=PATIENT) as client:
        client.set("probe", "the probe")
        yield client


def prepare(direct: Client) -> None:
    direct.pipeline(raise_on_error=False).munlock("k").mdl("k").set("k:text", "hello world").set(
        "k:other", "second"
    ).lock("k:other", 600).set("k:number", "41").inc("k:number").execute()


def state(direct: Client) -> State:
    try:
        values = direct.mget("k")
    except NotFoundError:
        return {}
    return {
        key: (value, direct.meta(key, "ttl"), direct.meta(key, "lock"))
        for key, value in values.items()
    }


# Commands whose reply carries nothing but its code.
YIELD_NOTHING = ("ttl", "dl", "lock", "unlock", "ping", "quit")


class Exchange:
    """A command, and what it does when nothing goes wrong."""

    def __init__(self, command: str, proxy: Proxy, direct: Client) -> None:
        self.command = command
        self.yields = command not in YIELD_NOTHING
        self.proxy = proxy
        self.direct = direct
        prepare(direct)
        self.before = state(direct)
        client = proxy.client(timeout=PATIENT)
        was = proxy.counters()
        CALLS[command](client)
        client.close()
        proxy.drop()
        now = proxy.counters()
        self.after = state(direct)
        self.request_size = now["request_bytes"] - was["request_bytes"]
        self.reply_size = now["reply_bytes"] - was["reply_bytes"]

    def run(self, fault: str, timeout: int = PATIENT) -> Any:
        """Returns the result of the call or the exception, after looking at what is left behind."""
        prepare(self.direct)
        self.proxy.fault(fault)
        client = self.proxy.client(timeout=timeout)
        begin = time.monotonic()
        try:
            result: Any = CALLS[self.command](client)
        except PyGibsonError as error:
            result = error
        assert time.monotonic() - begin < timeout / 1000 + 3
        works = not isinstance(result, Exception) or isinstance(result, ANSWERS)
        assert client.connected == (works and self.command != "quit"), (fault, result)
        if not works and self.command != "quit":
            with pytest.raises(ConnectionLostError):
                client.get("probe")
        client.close()
        self.proxy.heal()
        self.proxy.drop()
        with self.proxy.client(timeout=PATIENT) as another:
            assert another.get("probe") == b"the probe", fault
        return result


def test_every_command_is_called() -> None:
    assert set(CALLS) == set(COMMANDS)


@pytest.fixture(params=CALLS)
def exchange(request: pytest.FixtureRequest, proxy: Proxy, direct: Client) -> Exchange:
    return Exchange(request.param, proxy, direct)


def positions(exchange: Exchange) -> range:
    """The bytes of a reply: all of them, but of the long one of STATS a sample."""
    if exchange.command == "stats":
        return range(1, exchange.reply_size - 16, 13)
    return range(exchange.reply_size)


def is_lost(exchange: Exchange, at: int, result: Any) -> bool:
    """Tells whether a result is right where a cut struck. At 0 it may strike before quit looks,
    which then has nobody to tell."""
    if at == 0 and exchange.command == "quit" and result is None:
        return True
    return isinstance(result, ConnectionLostError)


def test_a_reply_that_is_cut_is_a_lost_connection(exchange: Exchange) -> None:
    for at in positions(exchange):
        result = exchange.run(f"reply:cut@{at}")
        assert is_lost(exchange, at, result), (at, result)
        # A cut at 0 strikes before there is a request.
        assert state(exchange.direct) == (exchange.after if at else exchange.before), at


def test_a_request_that_is_cut_does_nothing(exchange: Exchange) -> None:
    for at in range(exchange.request_size):
        result = exchange.run(f"request:cut@{at}")
        assert is_lost(exchange, at, result), (at, result)
        assert state(exchange.direct) == exchange.before, at


def is_fit(exchange: Exchange, at: int, mask: int, result: Any) -> bool:
    """Tells whether a result is right for a reply with that byte changed."""
    if at == 0 and mask == 1 and not exchange.yields:
        return isinstance(result, LockedError)  # OK became LOCKED, which carries no more
    if at < 3:
        return isinstance(result, ProtocolError)
    if at < HEADER:
        return isinstance(result, (ProtocolError, ServerTimeoutError))
    if not exchange.yields:
        return isinstance(result, ProtocolError)
    if exchange.command == "set":
        return isinstance(result, TruncatedError)
    return not isinstance(result, Exception) or isinstance(result, ProtocolError)


def test_a_reply_that_is_corrupted_is_an_error_or_another_value(exchange: Exchange) -> None:
    for at in positions(exchange):
        for mask in (0x01, 0xFF):
            timeout = SHORT if 3 <= at < HEADER else PATIENT
            result = exchange.run(f"reply:corrupt@{at}={mask}", timeout)
            assert is_fit(exchange, at, mask, result), (at, mask, result)


def test_a_request_that_is_corrupted_is_survived(exchange: Exchange) -> None:
    for at in range(exchange.request_size):
        for mask in (0x01, 0xFF):
            result: Any = exchange.run(f"request:corrupt@{at}={mask}", SHORT if at < 3 else PATIENT)
            if at in (3, 5):  # 16 MiB and more, or no opcode: the server hangs up
                assert isinstance(result, ConnectionLostError), (at, mask, result)
            elif isinstance(result, ServerTimeoutError):
                assert at < 3, (at, mask, result)
