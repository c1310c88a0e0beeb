"""Keys and values of all kinds go there and come back as they were."""

from __future__ import annotations

import array
import ctypes
import mmap
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pygibson import Client, InvalidArgumentError

ROUND_TRIPS = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

key_text = st.text(min_size=1, max_size=100).filter(
    lambda text: not set(text) & {" ", "\0"} and not any("\ud800" <= c <= "\udfff" for c in text)
)
key_bytes = st.binary(min_size=1, max_size=100).filter(lambda key: not set(key) & {0, 32})


@ROUND_TRIPS
@given(value=st.binary(min_size=1, max_size=10_000))
def test_any_bytes(client: Client, prefix: str, value: bytes) -> None:
    client.set(prefix, value)
    assert client.get(prefix) == value
    assert client.mget(prefix) == {prefix: value}


@ROUND_TRIPS
@given(
    value=st.text(min_size=1).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)
)
def test_any_text_is_utf8(client: Client, prefix: str, value: str) -> None:
    client.set(prefix, value)
    assert client.get(prefix) == value.encode()


@ROUND_TRIPS
@given(name=key_text)
def test_any_key_of_text(client: Client, prefix: str, name: str) -> None:
    client.set(prefix + name, "value")
    assert client.get((prefix + name).encode()) == b"value"
    assert client.mget(prefix) == {prefix + name: b"value"}
    assert client.keys(prefix) == [(prefix + name).encode()]
    client.dl(prefix + name)


@ROUND_TRIPS
@given(name=key_bytes)
def test_any_key_of_bytes(client: Client, prefix: str, name: bytes) -> None:
    """What is no UTF-8 comes back with surrogates, and those stand for the same bytes again."""
    key = prefix.encode() + name
    client.set(key, "value")
    assert client.keys(prefix) == [key]
    ((found, value),) = client.mget(prefix).items()
    assert value == b"value"
    assert found.encode("utf-8", "surrogateescape") == key
    assert client.get(found) == b"value"
    client.dl(found)


@ROUND_TRIPS
@given(number=st.integers(-(2**63), 2**63 - 1))
def test_any_number(client: Client, prefix: str, number: int) -> None:
    client.set(prefix, str(number))
    assert client.inc(prefix) == (number + 1 + 2**63) % 2**64 - 2**63
    assert client.dec(prefix) == number
    assert client.get(prefix) == number
    assert client.mget(prefix) == {prefix: number}


@ROUND_TRIPS
@given(values=st.dictionaries(st.integers(0, 50), st.binary(min_size=1, max_size=100), min_size=1))
def test_a_batch_is_as_good_as_single_calls(
    client: Client, prefix: str, values: dict[int, bytes]
) -> None:
    batch = client.pipeline()
    for name, value in values.items():
        batch.set(f"{prefix}{name}", value).get(f"{prefix}{name}")
    batch.mget(prefix).mdl(prefix)
    results = batch.execute()
    assert results[:-2:2] == [None] * len(values)
    assert results[1:-2:2] == list(values.values())
    assert results[-2] == {f"{prefix}{name}": value for name, value in values.items()}
    assert results[-1] == len(values)


BUFFERS: list[Any] = [
    b"bytes",
    bytearray(b"bytearray"),
    memoryview(b"memoryview"),
    memoryview(bytearray(b"a longer memoryview"))[2:8],
    array.array("I", [1, 2, 3]),
    array.array("d", [0.5]),
    (ctypes.c_uint16 * 2)(1, 2),
    memoryview(array.array("H", range(6))).cast("B").cast("H", (2, 3)),
]


@pytest.mark.parametrize("value", BUFFERS, ids=lambda value: type(value).__name__)
def test_buffers(client: Client, prefix: str, value: Any) -> None:
    expected = bytes(memoryview(value).cast("B")) if not isinstance(value, bytes) else value
    client.set(prefix, value)
    assert client.get(prefix) == expected
    client.mset(prefix, value)
    assert client.get(prefix) == expected
    client.pipeline().set(prefix, value).execute()
    assert client.get(prefix) == expected


def test_a_mapped_file(client: Client, prefix: str) -> None:
    with mmap.mmap(-1, 10_000) as mapped:
        mapped[:5] = b"start"
        client.set(prefix, mapped)
        assert client.get(prefix) == b"start" + bytes(9995)


def test_a_buffer_that_is_not_contiguous(client: Client, prefix: str) -> None:
    with pytest.raises(BufferError):
        client.set(prefix, memoryview(b"abcdef")[::2])


def test_a_buffer_is_given_back(client: Client, prefix: str) -> None:
    value = bytearray(b"value")
    client.set(prefix, value)
    with pytest.raises(InvalidArgumentError):
        client.set("", value)
    with pytest.raises(TypeError):
        client.set(prefix, value, "ttl")  # type: ignore[arg-type]
    batch = client.pipeline().set(prefix, value)
    value += b" that grows"  # BufferError if it were still exported
    batch.execute()
    assert client.get(prefix) == b"value"


def test_large_values(client: Client, prefix: str) -> None:
    """Around the sizes at which buffers and ways of sending change."""
    for size in (1, 4095, 4096, 4097, 16_383, 16_384, 65_535, 65_537, 1_000_000, 2_000_000):
        value = bytes(range(256)) * (size // 256 + 1)
        value = value[:size]
        client.set(prefix, value)
        assert client.get(prefix) == value
        assert client.pipeline().get(prefix).execute() == [value]


def test_surrogates_that_stand_for_no_byte_are_refused(client: Client) -> None:
    calls: list[tuple[Callable[[], object], str, str]] = [
        (lambda: client.get("k\ud800"), "key", "U+D800 at 1"),
        (lambda: client.get("\udc80\udc7f"), "key", "U+DC7F at 1"),
        (lambda: client.keys("\udfff"), "prefix", "U+DFFF at 0"),
        (lambda: client.set("k", "text \udd00"), "value", "U+DD00 at 5"),
        (lambda: client.mset("k", "\ud800"), "value", "U+D800 at 0"),
        (lambda: client.set("\ud800", "\ud801", 1 << 70), "key", "U+D800 at 0"),
    ]
    for call, argument, where in calls:
        with pytest.raises(InvalidArgumentError) as caught:
            call()
        assert str(caught.value).endswith(
            f": the {argument} has no UTF-8: {where} is a surrogate that stands for no byte"
        )
        assert caught.value.__context__ is None
        assert caught.value.server == client.server
    with pytest.raises(InvalidArgumentError, match="U\\+D800") as caught:
        client.get("k\ud800")
    assert (caught.value.command, caught.value.key) == ("get", "k\ud800")
    client.ping()


def test_subclasses_of_str_and_bytes(client: Client, prefix: str) -> None:
    class Text(str):
        pass

    class Bytes(bytes):
        pass

    client.set(Text(prefix), Bytes(b"value"))
    assert client.get(Bytes(prefix.encode())) == b"value"


def test_a_key_of_non_ascii_text(client: Client, prefix: str) -> None:
    key = prefix + "schlüssel-🔑"
    client.set(key, "wert-ü")
    assert client.get(key) == "wert-ü".encode()
    assert client.mget(prefix) == {key: "wert-ü".encode()}
