"""Every exception: when it is raised, what it tells, what it can be caught as."""

from __future__ import annotations

import copy
import pickle
import socket
from typing import Callable

import pygibson
import pytest
from peer import (
    ERR,
    KVAL,
    LOCKED,
    LZF,
    MEM,
    NAN,
    NOT_FOUND,
    NUMBER,
    OK,
    VAL,
    Connection,
    Peer,
    echo_keys,
    items,
    reply,
    silence,
    value,
)  # fmt: skip
from pygibson import Client, Pipeline, PyGibsonError, Server

BUILTINS = {
    "NotFoundError": Exception,
    "NaNError": Exception,
    "NoMemoryError": Exception,
    "LockedError": Exception,
    "ServerError": Exception,
    "TruncatedError": ValueError,
    "ServerTimeoutError": TimeoutError,
    "ConnectionLostError": ConnectionError,
    "UnreachableError": ConnectionError,
    "ProtocolError": ConnectionError,
    "InvalidArgumentError": ValueError,
    "UsageError": RuntimeError,
    "SystemCallError": OSError,
}


def test_the_list_is_complete() -> None:
    found = {
        name
        for name in pygibson.__all__
        if isinstance(getattr(pygibson, name), type)
        and issubclass(getattr(pygibson, name), PyGibsonError)
    }
    assert found == {*BUILTINS, "PyGibsonError", "PipelineError"}


@pytest.mark.parametrize("name", BUILTINS)
def test_hierarchy(name: str) -> None:
    kind = getattr(pygibson, name)
    assert issubclass(kind, PyGibsonError)
    assert issubclass(kind, BUILTINS[name])
    assert kind.__module__ == "pygibson"
    assert kind.__doc__
    assert kind.status


def test_statuses_differ() -> None:
    assert len({getattr(pygibson, name).status for name in BUILTINS}) == len(BUILTINS)
    assert PyGibsonError.status is None


@pytest.mark.parametrize("name", [*BUILTINS, "PyGibsonError", "PipelineError"])
def test_made_by_hand(name: str) -> None:
    error = getattr(pygibson, name)("text")
    assert str(error) == "text"
    assert (error.command, error.key, error.server) == (None, None, None)


def raised(call: Callable[[], object]) -> PyGibsonError:
    with pytest.raises(PyGibsonError) as caught:
        call()
    return caught.value


def test_attributes_and_message(unix_client: Client, prefix: str) -> None:
    error = raised(lambda: unix_client.get(prefix))
    assert type(error) is pygibson.NotFoundError
    assert error.status == "not_found"
    assert error.command == "get"
    assert error.key == prefix
    assert error.server == unix_client.server
    assert str(error) == f"get('{prefix}') on {unix_client.server}: no such key"


@pytest.mark.parametrize("single", [True, False])
def test_a_miss_says_what_is_missing(unix_client: Client, prefix: str, single: bool) -> None:
    arguments = {"ttl": 5, "lock": 5, "meta": "size", "mset": "1", "mttl": 5, "mlock": 5}

    def text(name: str) -> str:
        target = unix_client if single else unix_client.pipeline(raise_on_error=False)
        given = [arguments[name]] if name in arguments else []
        made = getattr(target, name)(prefix, *given)
        if isinstance(made, Pipeline):
            return str(made.execute()[0])
        return f"{name} found something: {made}"

    def said(name: str) -> str:
        if single:
            return str(raised(lambda: text(name))).rpartition(": ")[2]
        return text(name).rpartition(": ")[2]

    for name in ("get", "dl", "ttl", "lock", "unlock", "meta"):
        assert said(name) == "no such key"
    for name in ("mget", "keys"):
        assert said(name) == "no key is under the prefix"
    for name in ("mset", "mttl", "mdl", "minc", "mdec", "mlock", "munlock"):
        assert said(name) == "nothing under the prefix was changed"


def test_message_names_the_method_not_the_command(unix_client: Client, prefix: str) -> None:
    assert str(raised(lambda: unix_client.dl(prefix))).startswith(f"dl('{prefix}') on ")
    assert raised(lambda: unix_client.mdl(prefix)).command == "mdl"


def test_message_of_bytes_and_long_keys(unix_client: Client, prefix: str) -> None:
    error = raised(lambda: unix_client.get(b"\xff" + prefix.encode()))
    assert repr(b"\xff" + prefix.encode()) in str(error)
    long = prefix + "x" * 1000
    error = raised(lambda: unix_client.get(long))
    assert error.key == long
    assert f"get('{long[:48]}'...) on" in str(error)
    error = raised(lambda: unix_client.get(long.encode()))
    assert f"get(b'{long[:48]}'...) on" in str(error)


def test_message_does_not_repeat_the_command(unix_client: Client) -> None:
    assert str(raised(lambda: unix_client.get(""))) == (
        f"get('') on {unix_client.server}: the key is empty"
    )


def test_a_key_whose_repr_fails(unix_client: Client) -> None:
    class Key(str):
        def __repr__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        unix_client.get(Key("no such key"))


@pytest.mark.parametrize("copier", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_picklable(unix_client: Client, prefix: str, copier: Callable[..., PyGibsonError]) -> None:
    error = raised(lambda: unix_client.get(prefix))
    copied = copier(error)
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)


def test_picklable_with_errno() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = raised(lambda: Client(port=unused.getsockname()[1]))
    assert isinstance(error, OSError)
    copied = pickle.loads(pickle.dumps(error))
    assert copied.errno == error.errno != 0
    assert (str(copied), copied.server) == (str(error), error.server)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (ERR, "ServerError"),
        (NOT_FOUND, "NotFoundError"),
        (NAN, "NaNError"),
        (MEM, "NoMemoryError"),
        (LOCKED, "LockedError"),
    ],
)
def test_what_the_server_answers(peer: Callable[..., Peer], code: int, name: str) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(reply(code))
        echo_keys(connection)

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    assert type(raised(lambda: client.inc("key"))) is getattr(pygibson, name)
    assert client.connected
    assert client.get("next") == b"next"


MALFORMED = {
    "code": reply(9),
    "size": reply(VAL, b"x" * 3, NUMBER),
    "encoding": reply(VAL, b"x", 7),
    "compressed": reply(VAL, b"x", LZF),
    "not for get": reply(OK),
    "items for get": items((b"a", b"b")),
    "data of a short reply": reply(NOT_FOUND, b"x"),
    "too large": b"\6\0\0\xff\xff\xff\xff",
    "more than one": value(b"x") + value(b"y"),
}


@pytest.mark.not_for_pool  # which goes on with another connection
@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_replies(peer: Callable[..., Peer], kind: str) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(MALFORMED[kind])
        connection.wait_for_end()

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    assert type(raised(lambda: client.get("key"))) is pygibson.ProtocolError
    assert not client.connected
    error = raised(lambda: client.get("key"))
    assert type(error) is pygibson.ConnectionLostError
    assert "broken" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\0\0\0",
        b"\xff\xff\xff\xff",
        b"\1\0\0\0\xff\xff\xff\xffk\0\1\0\0\0v",
        b"\1\0\0\0\1\0\0\0k\0\xff\xff\xff\x7fv",
        b"\0\0\0\0more",
    ],
)
def test_malformed_items(peer: Callable[..., Peer], data: bytes) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(reply(KVAL, data))
        connection.wait_for_end()

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    assert type(raised(lambda: client.mget("key"))) is pygibson.ProtocolError


def test_max_reply_size(peer: Callable[..., Peer]) -> None:
    client = Client(unix_socket=peer(echo_keys).path, timeout=30_000, max_reply_size=10)
    assert client.get("k" * 10) == b"k" * 10
    error = raised(lambda: client.get("k" * 11))
    assert type(error) is pygibson.ProtocolError
    assert "max_reply_size" in str(error)


def test_truncated_write(prefix: str) -> None:
    with (
        Server(compat=True, max_value_size="4K") as server,
        server.client(timeout=30_000) as client,
    ):
        error = raised(lambda: client.set(prefix, "v" * 5000))
        assert type(error) is pygibson.TruncatedError
        assert "4096" in str(error)
        assert "5000" in str(error)
        assert client.connected
        assert client.get(prefix) == b"v" * 4096


def test_a_value_over_the_limit_of_the_server(prefix: str) -> None:
    with Server(max_value_size="4K") as server, server.client(timeout=30_000) as client:
        assert type(raised(lambda: client.set(prefix, "v" * 5000))) is pygibson.ServerError
        client.ping()


@pytest.mark.blocking  # the other one goes on: see test_aio.py
def test_timeout(peer: Callable[..., Peer]) -> None:
    client = Client(unix_socket=peer(silence).path, timeout=20)
    error = raised(lambda: client.get("key"))
    assert type(error) is pygibson.ServerTimeoutError
    assert not client.connected


def test_connection_lost(peer: Callable[..., Peer]) -> None:
    def script(connection: Connection) -> None:
        connection.request()

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    assert type(raised(lambda: client.get("key"))) is pygibson.ConnectionLostError


def test_connection_lost_within_a_reply(peer: Callable[..., Peer]) -> None:
    whole = value(b"value")
    for size in range(1, len(whole)):

        def script(connection: Connection, size: int = size) -> None:
            connection.request()
            connection.send(whole[:size])

        client = Client(unix_socket=peer(script).path, timeout=30_000)
        assert type(raised(lambda: client.get("key"))) is pygibson.ConnectionLostError  # noqa: B023


def test_unreachable(short_path: Callable[[], str]) -> None:
    error = raised(lambda: Client(unix_socket=short_path()))
    assert type(error) is pygibson.UnreachableError
    assert isinstance(error, OSError)
    assert error.errno == 2  # ENOENT
    assert type(raised(lambda: Client("no-such-host.invalid", connect_timeout=30_000))) in (
        pygibson.UnreachableError,
        pygibson.ServerTimeoutError,
    )


def test_not_initialised() -> None:
    client = Client.__new__(Client)
    for call in (
        lambda: client.get("key"),
        client.close,
        client.connect,
        client.quit,
        lambda: client.pipeline().get("key").execute(),
    ):
        assert type(raised(call)) is pygibson.UsageError
    assert not client.connected
    assert "not initialised" in repr(client)


def test_initialised_twice(unix_client: Client, unix_server: Server) -> None:
    assert type(raised(lambda: unix_client.__init__(**unix_server.address))) is pygibson.UsageError  # type: ignore[misc]
    unix_client.ping()


@pytest.mark.blocking  # the other one connects later
def test_initialised_again_after_a_failure(unix_server: Server) -> None:
    client = Client.__new__(Client)
    raised(lambda: client.__init__(unix_socket="/nowhere"))  # type: ignore[misc]
    client.__init__(unix_socket=unix_server.unix_socket)  # type: ignore[misc]
    client.ping()


@pytest.mark.not_for_pool  # whose quit does not ask the server
def test_a_timeout_names_the_method(peer: Callable[..., Peer]) -> None:
    calls: dict[str, Callable[[Client], None]] = {
        "dl": lambda client: client.dl("key"),
        "quit": lambda client: client.quit(),
        "ping": lambda client: client.ping(),
    }
    path = peer(silence).path
    for name, call in calls.items():
        with pytest.raises(
            pygibson.ServerTimeoutError, match=f"waiting for the reply to {name} from"
        ):
            call(Client(unix_socket=path, timeout=20))
