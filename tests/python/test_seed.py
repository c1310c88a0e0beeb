"""What the README of the first pygibson promised."""

from __future__ import annotations

import inspect
import socket
import sys
from typing import Callable

import pygibson
import pytest
from peer import Peer, reply
from pygibson import Client, NotFoundError, Server

EXCEPTIONS = ["NotFoundError", "NaNError", "NoMemoryError", "LockedError"]
METHODS = [
    "set", "mset", "ttl", "mttl", "get", "mget", "dl", "mdl", "inc", "minc", "dec", "mdec",
    "lock", "unlock", "mlock", "munlock", "count", "meta", "keys", "stats", "ping", "quit",
]  # fmt: skip


def test_the_example(unix_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    cl = Client(unix_socket=unix_server.unix_socket, timeout=500)

    cl.set("some_key", "some_value")
    print(cl.get("some_key"))
    try:
        cl.get("no_such_key")
    except NotFoundError:
        print("Yay, no such key!")

    assert capsys.readouterr().out == "b'some_value'\nYay, no such key!\n"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 drops signatures of such types")
def test_defaults_of_the_constructor() -> None:
    parameters = list(inspect.signature(Client).parameters.values())[:4]
    assert [(p.name, p.default) for p in parameters] == [
        ("addr", "127.0.0.1"),
        ("port", 10128),
        ("unix_socket", None),
        ("timeout", 60),
    ]
    assert all(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in parameters)


def test_defaults_are_what_the_constructor_does() -> None:
    """Whether something listens there or not, the message or the client tells where it went."""
    try:
        client = Client()
    except pygibson.PyGibsonError as error:
        assert error.server == "127.0.0.1:10128"
    else:
        assert client.server == "127.0.0.1:10128"
        assert client.timeout == 60


def test_constructor_by_position_and_by_keyword() -> None:
    with Server(port=0) as server:
        assert server.port is not None
        for client in (
            Client("127.0.0.1", server.port, None, 1000),
            Client(addr="127.0.0.1", port=server.port, timeout=1000),
            Client("127.0.0.1", port=server.port),
            Client(host="127.0.0.1", port=server.port),
        ):
            client.ping()
            assert client.server == f"127.0.0.1:{server.port}"


def test_unix_socket_wins_over_addr_and_port(unix_server: Server) -> None:
    client = Client("192.0.2.1", 1, unix_server.unix_socket, 500)
    client.ping()
    assert client.server == f"unix:{unix_server.unix_socket}"


@pytest.mark.parametrize("method", METHODS)
def test_method_exists(method: str) -> None:
    assert callable(getattr(Client, method))


def test_exceptions_are_in_the_module() -> None:
    assert issubclass(pygibson.PyGibsonError, Exception)
    for name in EXCEPTIONS:
        assert issubclass(getattr(pygibson, name), pygibson.PyGibsonError)


def test_generic_error_when_the_server_answers_err(peer: Callable[..., Peer]) -> None:
    def answer_err(connection):  # type: ignore[no-untyped-def]
        connection.request()
        connection.send(reply(0))
        connection.wait_for_end()

    client = Client(unix_socket=peer(answer_err).path, timeout=10_000)
    with pytest.raises(pygibson.PyGibsonError, match="malformed"):
        client.ping()


def test_generic_error_when_the_connection_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(pygibson.PyGibsonError):
            Client(port=unused.getsockname()[1])


def test_generic_error_after_the_timeout(peer: Callable[..., Peer]) -> None:
    def silence(connection):  # type: ignore[no-untyped-def]
        connection.wait_for_end()

    client = Client(unix_socket=peer(silence).path, timeout=10)
    with pytest.raises(pygibson.PyGibsonError):
        client.get("key")


def test_not_found(unix_client: Client, prefix: str) -> None:
    with pytest.raises(NotFoundError):
        unix_client.get(prefix)


@pytest.mark.parametrize("method", ["inc", "dec"])
def test_nan(unix_client: Client, prefix: str, method: str) -> None:
    unix_client.set(prefix + "text", "no number")
    with pytest.raises(pygibson.NaNError):
        getattr(unix_client, method)(prefix + "text")


@pytest.mark.parametrize("method", ["minc", "mdec"])
def test_minc_and_mdec_of_no_number_change_nothing(
    unix_client: Client, prefix: str, method: str
) -> None:
    """The seed says NaNError for these too, but a Gibson server passes over what is no number."""
    unix_client.set(prefix + "text", "no number")
    with pytest.raises((pygibson.NaNError, NotFoundError)):
        getattr(unix_client, method)(prefix)
    assert unix_client.get(prefix + "text") == b"no number"


def test_no_memory(prefix: str) -> None:
    with (
        Server(max_memory="64K", eviction="none") as server,
        server.client(timeout=30_000) as client,
    ):
        with pytest.raises(pygibson.NoMemoryError):
            for number in range(100):
                client.set(f"{prefix}{number}", "x" * 4000)


def test_locked(unix_client: Client, prefix: str) -> None:
    unix_client.set(prefix, "value")
    unix_client.lock(prefix, 60)
    with pytest.raises(pygibson.LockedError):
        unix_client.set(prefix, "other")
    assert unix_client.get(prefix) == b"value"
