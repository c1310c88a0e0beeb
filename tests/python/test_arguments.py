"""Arguments: their kinds, names and limits, and what is said about bad ones."""

from __future__ import annotations

import ast
import inspect
import re
import socket
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any, Callable

import pygibson
import pytest
from peer import Connection, Peer, items, value
from pygibson import Client, InvalidArgumentError, Pipeline, Server
from space import COMMANDS

SIGNATURES = {
    "set": "(self, /, key, value, ttl=0)",
    "mset": "(self, /, prefix, value)",
    "ttl": "(self, /, key, seconds)",
    "mttl": "(self, /, prefix, seconds)",
    "get": "(self, /, key)",
    "mget": "(self, /, prefix, limit=None)",
    "dl": "(self, /, key)",
    "mdl": "(self, /, prefix)",
    "inc": "(self, /, key)",
    "minc": "(self, /, prefix)",
    "dec": "(self, /, key)",
    "mdec": "(self, /, prefix)",
    "lock": "(self, /, key, seconds)",
    "unlock": "(self, /, key)",
    "mlock": "(self, /, prefix, seconds)",
    "munlock": "(self, /, prefix)",
    "count": "(self, /, prefix)",
    "meta": "(self, /, key, field)",
    "keys": "(self, /, prefix)",
    "stats": "(self, /)",
    "ping": "(self, /)",
    "quit": "(self, /)",
}
# Something for each argument, by its name.
GOOD = {
    "key": "k",
    "prefix": "k",
    "value": "v",
    "seconds": 1,
    "ttl": 1,
    "limit": 1,
    "field": "size",
}


def names_of(method: str) -> list[str]:
    return list(inspect.signature(getattr(Client, method)).parameters)[1:]


def test_every_command_has_a_signature() -> None:
    assert set(SIGNATURES) == set(COMMANDS)


@pytest.mark.parametrize("method", SIGNATURES)
def test_signature(method: str) -> None:
    assert str(inspect.signature(getattr(Client, method))) == SIGNATURES[method]
    if method != "quit":
        assert str(inspect.signature(getattr(Pipeline, method))) == SIGNATURES[method]
    else:
        assert not hasattr(Pipeline, method)


@pytest.mark.parametrize("method", SIGNATURES)
def test_arguments_by_keyword_in_any_order(unix_client: Client, method: str) -> None:
    """A batch takes them all without running anything."""
    if method == "quit":
        return
    keywords = {name: GOOD[name] for name in reversed(names_of(method))}
    batch = unix_client.pipeline()
    assert getattr(batch, method)(**keywords) is batch
    assert getattr(batch, method)(*reversed(list(keywords.values()))) is batch
    assert len(batch) == 2


@pytest.mark.parametrize("method", SIGNATURES)
def test_wrong_number_of_arguments(unix_client: Client, method: str) -> None:
    call = getattr(unix_client, method)
    names = names_of(method)
    good = [GOOD[name] for name in names]
    with pytest.raises(TypeError, match=rf"{method}\(\) takes at most {len(names)} arguments"):
        call(*good, "more")
    with pytest.raises(TypeError, match=rf"{method}\(\) got an unexpected keyword argument 'more'"):
        call(*good, more=1)
    if names:
        with pytest.raises(
            TypeError, match=rf"{method}\(\) missing required argument '{names[0]}'"
        ):
            call()
        with pytest.raises(TypeError, match=rf"{method}\(\) got multiple values for .*{names[0]}"):
            call(*good, **{names[0]: "again"})


BAD: dict[str, list[Any]] = {
    "key": [None, 1, bytearray(b"k"), ["k"]],
    "value": [None, 1, 1.5, ["v"]],
    "seconds": [None, "1", 1.5],
    "ttl": [None, "1", 1.5],
    "limit": ["1", 1.5],
    "field": [None, 1, bytearray(b"size")],
}
BAD["prefix"] = BAD["key"]


@pytest.mark.parametrize("method", SIGNATURES)
def test_wrong_types(unix_client: Client, method: str) -> None:
    names = names_of(method)
    for name in names:
        for bad in BAD[name]:
            keywords: dict[str, Any] = {other: GOOD[other] for other in names}
            keywords[name] = bad
            with pytest.raises(TypeError, match=rf"{method}\(\) argument '{name}' must be"):
                getattr(unix_client, method)(**keywords)


@pytest.mark.parametrize("key", ["", b"", "a b", b"a b", "a\0b", b"a\0b", " ", "k" * 1024])
@pytest.mark.parametrize("method", [name for name in SIGNATURES if names_of(name)])
def test_refused_keys(unix_client: Client, method: str, key: str | bytes) -> None:
    keywords: dict[str, Any] = {name: GOOD[name] for name in names_of(method)}
    keywords[next(iter(keywords))] = key
    with pytest.raises(InvalidArgumentError) as caught:
        getattr(unix_client, method)(**keywords)
    assert caught.value.key is key
    assert unix_client.connected


def test_limits_hold_to_the_byte(unix_server: Server, prefix: str) -> None:
    with unix_server.client(
        timeout=30_000, max_key_size=40, max_value_size=10, max_seconds=100
    ) as client:
        key = prefix.ljust(40, "k")
        client.set(key, "v" * 10, 100)
        for refused in (
            lambda: client.set(key + "k", "v"),
            lambda: client.set(key, "v" * 11),
            lambda: client.mset(key, "v" * 11),
            lambda: client.set(key, "v", 101),
            lambda: client.ttl(key, 101),
            lambda: client.lock(key, 101),
            lambda: client.set(key, "v", -1),
            lambda: client.ttl(key, -1),
            lambda: client.lock(key, -2),
            lambda: client.ttl(key, 1 << 100),
            lambda: client.ttl(key, -1 << 100),
        ):
            with pytest.raises(InvalidArgumentError):
                refused()
        assert client.get(key) == b"v" * 10


@pytest.mark.parametrize("value", ["", b"", bytearray(), memoryview(b"")])
def test_empty_values_are_refused(unix_client: Client, prefix: str, value: Any) -> None:
    for call in (unix_client.set, unix_client.mset):
        with pytest.raises(InvalidArgumentError, match="empty"):
            call(prefix, value)


def test_a_request_over_max_request_size_is_refused(unix_server: Server, prefix: str) -> None:
    with unix_server.client(max_request_size=100, timeout=30_000) as client:
        client.set(prefix, "v" * 50)
        with pytest.raises(InvalidArgumentError, match=r"max_request_size|max_value_size"):
            client.set(prefix, "v" * 100)


def test_index_objects_are_numbers(unix_client: Client, prefix: str) -> None:
    class Number:
        def __index__(self) -> int:
            return 77

    unix_client.set(prefix, "v", Number())
    assert unix_client.meta(prefix, "ttl") == 77


def test_an_exception_of_index_is_passed_on(unix_client: Client, prefix: str) -> None:
    class Number:
        def __index__(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        unix_client.set(prefix, "v", Number())
    with pytest.raises(ZeroDivisionError):
        Client(timeout=Number())


def test_fields_may_be_bytes(unix_client: Client, prefix: str) -> None:
    unix_client.set(prefix, "value", 77)
    assert unix_client.meta(prefix, b"size") == 5
    assert unix_client.meta(prefix, field=b"ttl") == 77
    assert unix_client.pipeline().meta(prefix, b"size").execute() == [5]


@pytest.mark.parametrize("field", ["", "sizes", "SIZE", "si", "left\0", b"", b"sizes", b"left\0"])
def test_refused_fields(unix_client: Client, prefix: str, field: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="size encoding access created ttl left lock"):
        unix_client.meta(prefix, field)


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 10**100, -(10**100)])
def test_times_past_64_bits_are_named_as_they_are(
    unix_client: Client, prefix: str, number: int
) -> None:
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: unix_client.ttl(prefix, number), "seconds"),
        (lambda: unix_client.mlock(prefix, number), "seconds"),
        (lambda: unix_client.set(prefix, "v", number), "ttl"),
    ]
    for call, argument in calls:
        with pytest.raises(InvalidArgumentError) as caught:
            call()
        assert str(caught.value).endswith(
            f": the {argument} of {number} seconds does not fit into 64 bits"
        )


def test_numbers_of_more_digits_than_python_writes(unix_client: Client, prefix: str) -> None:
    for number, shown in ((1 << 99_999, "2**99999 or more"), (-(1 << 99_999), "-2**99999 or less")):
        with pytest.raises(InvalidArgumentError) as caught:
            unix_client.ttl(prefix, number)
        assert f"of {shown} seconds" in str(caught.value)
        with pytest.raises(InvalidArgumentError) as caught:
            Client(timeout=number)
        assert str(caught.value).endswith(f", not {shown}")
        with pytest.raises(InvalidArgumentError) as caught:
            unix_client.timeout = number
        assert str(caught.value).endswith(f", not {shown}")
    unix_client.set(prefix, "v")
    assert unix_client.mget(prefix, 1 << 99_999) == {prefix: b"v"}
    assert unix_client.mget(prefix, -(1 << 99_999)) == {prefix: b"v"}


def test_a_host_that_has_no_utf_8() -> None:
    with pytest.raises(InvalidArgumentError, match=r"the host '\\ud800' has no UTF-8"):
        Client("\ud800")
    for path in ("\ud800", "a\0b"):
        with pytest.raises(InvalidArgumentError, match=r"the unix_socket '.*' is no path"):
            Client(unix_socket=path)


def test_long_times_are_learnt_from_the_server(unix_server: Server, prefix: str) -> None:
    day = 86_400
    with unix_server.client(timeout=30_000) as client:
        client.set(prefix, "value", day)
        assert client.meta(prefix, "ttl") == day
        client.ttl(prefix, 2 * day)
        client.lock(prefix, 3 * day)
        assert client.meta(prefix, "lock") == 3 * day
        client.unlock(prefix)
        most = client.stats()["max_item_ttl"]
        assert isinstance(most, int)
        client.ttl(prefix, most)
        with pytest.raises(InvalidArgumentError, match=str(most)):
            client.ttl(prefix, most + 1)
    for limit in (32_767, day):
        with unix_server.client(timeout=30_000, max_seconds=limit) as client:
            client.set(prefix, "value", limit)
            with pytest.raises(InvalidArgumentError, match=str(limit)):
                client.set(prefix, "value", limit + 1)


@pytest.mark.parametrize("window", [None, 1, 3])
def test_long_times_in_a_batch(unix_server: Server, prefix: str, window: int | None) -> None:
    """The limit is asked for in the middle of it: what is under way is answered first."""
    with unix_server.client(timeout=30_000, pipeline_window=window) as client:
        batch = client.pipeline()
        for number in range(20):
            batch.set(f"{prefix}{number}", str(number), 86_400 + number if number % 5 == 2 else 7)
        batch.mttl(prefix, 90_000).meta(prefix + "2", "ttl")
        assert batch.execute() == [None] * 20 + [20, 90_000]


def test_a_server_that_says_no_limit_gets_no_long_times(peer: Callable[..., Peer]) -> None:
    requests: list[tuple[int, bytes]] = []

    def script(connection: Connection) -> None:
        while True:
            requests.append(connection.request())
            if requests[-1][0] == 18:  # STATS
                connection.send(items((b"server_version", b"2.0")))
            else:
                connection.send(value(requests[-1][1].split(b" ", 2)[-1]))

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    for _ in range(2):
        with pytest.raises(InvalidArgumentError, match="32767"):
            client.set("key", "value", 32_768)
    client.set("key", "value", 32_767)
    assert requests == [(18, b""), (1, b"32767 key value")]
    batch = client.pipeline(raise_on_error=False).set("a", "1", 5).set("b", "2", 40_000)
    results = batch.set("c", "3").execute()
    assert [type(result) for result in results] == [type(None), InvalidArgumentError, type(None)]
    assert len(requests) == 4


# -- the constructor ---------------------------------------------------------------------------

NUMBERS = re.findall(r"^    (\w+) \(int\): ", Client.__doc__ or "", re.MULTILINE)


def test_there_are_options_that_are_numbers() -> None:
    assert {"port", "timeout", "max_seconds", "tcp_user_timeout"} < set(NUMBERS)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 drops signatures of such types")
def test_every_option_is_documented() -> None:
    for name in inspect.signature(Client).parameters:
        assert f"    {name} (" in Client.__doc__  # type: ignore[operator]


def parameters(kind: inspect._ParameterKind) -> dict[str, Any]:
    """The options of a kind with their defaults, in order, as the module has them."""
    options = inspect.signature(Client).parameters.values()
    return {option.name: option.default for option in options if option.kind is kind}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 drops signatures of such types")
def test_the_stub_has_the_options_of_the_module(api: str) -> None:
    stub = Path(pygibson.__file__).with_name("_pygibson.pyi").read_text(encoding="utf-8")
    kinds = {node.name: node for node in ast.parse(stub).body if isinstance(node, ast.ClassDef)}
    (init,) = (
        node.args
        for node in kinds["AsyncClient" if api == "aio" else Client.__name__].body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    for kind, names, defaults in (
        (inspect.Parameter.POSITIONAL_OR_KEYWORD, init.args[1:], init.defaults),
        (inspect.Parameter.KEYWORD_ONLY, init.kwonlyargs, init.kw_defaults),
    ):
        stubbed = [
            (name.arg, ast.literal_eval(default))
            for name, default in zip(names, defaults)
            if default is not None
        ]
        assert stubbed == list(parameters(kind).items())


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 drops signatures of such types")
def test_the_readme_has_the_options_of_the_module() -> None:
    """A row may be of two options, whose defaults then are in the same order."""
    readme = Path(__file__).parents[2] / "python" / "README.md"
    table = readme.read_text(encoding="utf-8").split("| option |", 1)[1].split("\n\n", 1)[0]
    told: dict[str, str] = {}
    for row in table.splitlines()[2:]:
        names, _, defaults = (cell.strip() for cell in row.split("|")[1:4])
        options = re.findall(r"`(\w+)`", names)
        told.update(zip_longest(options, defaults.split(", ")))
    shared = inspect.signature(pygibson.Client).parameters
    given = parameters(inspect.Parameter.KEYWORD_ONLY)
    expected = {name: default for name, default in given.items() if name in shared}
    del expected["host"]  # the other name of addr is told of above the table
    assert sorted(told) == sorted(expected)
    for name, default in expected.items():
        if default is not None:  # else the table says what None stands for
            assert told[name] == str(default), name


def test_the_readme_has_every_command() -> None:
    readme = Path(__file__).parents[2] / "python" / "README.md"
    table = readme.read_text(encoding="utf-8").split("| method |", 1)[1].split("\n\n", 1)[0]
    methods = [row.split("|")[1] for row in table.splitlines()[2:]]
    assert set(COMMANDS) <= set(re.findall(r"`(\w+)\(", " ".join(methods)))


@pytest.mark.parametrize("name", NUMBERS)
def test_options_that_are_no_numbers(name: str) -> None:
    connect: Any = Client
    for no_number in ("1", 1.5, b"1"):
        with pytest.raises(
            TypeError, match=rf"{Client.__name__}\(\) argument '{name}' must be int"
        ):
            connect(**{name: no_number})
    for bad in (0, -1, 1 << 100):
        with pytest.raises(InvalidArgumentError, match=rf"{Client.__name__}\(\) argument '{name}'"):
            connect(**{name: bad})


@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "port"])
def test_options_may_be_none(unix_server: Server, name: str) -> None:
    with unix_server.client(**{name: None}) as client:
        assert client.connected


def test_port_may_not_be_none_nor_too_large() -> None:
    with pytest.raises(TypeError, match="'port' must be int, not NoneType"):
        Client(port=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="'port' must be from 1 to 65535, not 65536"):
        Client(port=65536)


def test_every_option_is_taken(unix_server: Server, prefix: str) -> None:
    with unix_server.client(
        timeout=30_000, connect_timeout=30_000, reconnect=True, retry_repeatable=True,
        max_reply_size=1000, max_request_size=1000, max_key_size=100, max_value_size=100,
        max_seconds=10, pipeline_window=10, pipeline_bytes=1000, reconnect_delay=1,
        reconnect_max_delay=10, tcp_keepalive=10, tcp_user_timeout=1000,
    ) as client:  # fmt: skip
        client.set(prefix, "value", 10)
        assert client.get(prefix) == b"value"


def test_options_are_keyword_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        Client("127.0.0.1", 1, None, 60, "127.0.0.1")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="nonsense"):
        Client(nonsense=1)  # type: ignore[call-arg]


def test_addr_and_host_are_the_same_argument() -> None:
    with pytest.raises(TypeError, match="addr or host, not both"):
        Client("127.0.0.1", host="127.0.0.1")
    with pytest.raises(TypeError, match="addr or host, not both"):
        Client(addr="127.0.0.1", host="127.0.0.1")
    with pytest.raises(TypeError, match="'host' must be str"):
        Client(host=b"127.0.0.1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'addr' must be str"):
        Client(1)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="NUL"):
        Client("127.0.0.1\0")
    with pytest.raises(InvalidArgumentError, match="empty"):
        Client("")


def test_addr_may_be_none_as_for_the_old_package(unix_server: Server) -> None:
    with Client(None, 10128, unix_socket=unix_server.unix_socket) as client:
        assert client.server == f"unix:{unix_server.unix_socket}"
    with Server(port=0) as server:
        assert server.port is not None
        choices: list[dict[str, Any]] = [{"addr": None}, {"host": None}]
        for arguments in (*choices, {"addr": None, "host": None}):
            with Client(port=server.port, **arguments) as client:
                assert client.server == f"127.0.0.1:{server.port}"
        with Client(None, server.port, host="127.0.0.1") as client:
            assert client.connected


def test_unix_socket_may_be_a_path(unix_server: Server) -> None:
    path = unix_server.unix_socket
    assert path is not None
    for given in (path, path.encode(), Path(path)):
        with Client(unix_socket=given) as client:
            assert client.server == f"unix:{path}"
    with pytest.raises(TypeError):
        Client(unix_socket=1)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError):
        Client(unix_socket="/" + "x" * 200)
    with pytest.raises(InvalidArgumentError, match="no path"):
        Client(unix_socket="/tmp/\0")


def test_abstract_unix_socket(prefix: str) -> None:
    with Server(unix_socket="@" + prefix) as server, server.client() as client:
        client.ping()
        assert client.server == f"unix:@{prefix}"


def test_ipv6_address() -> None:
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
            listener.listen(1)
            port = listener.getsockname()[1]
            with Client("::1", port) as client:
                assert client.server == f"[::1]:{port}"
    except OSError as error:
        if isinstance(error, pygibson.PyGibsonError):
            raise
        pytest.skip("no IPv6 here")
