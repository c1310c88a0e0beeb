"""Random calls of the methods that run a command: valid ones, and all ways in which one is refused.
And the bytes of a request, written from the description of the protocol."""

from __future__ import annotations

import random
import struct
from typing import Any, NamedTuple

from space import BARE, KEYED, KEYS, PREFIXES, Request

OPCODES = {
    "set": 1, "ttl": 2, "get": 3, "dl": 4, "inc": 5, "dec": 6, "lock": 7, "unlock": 8, "mset": 9,
    "mttl": 10, "mget": 11, "mdl": 12, "minc": 13, "mdec": 14, "mlock": 15, "munlock": 16,
    "count": 17, "stats": 18, "ping": 19, "meta": 20, "keys": 21, "quit": 255,
}  # fmt: skip

MAX_SECONDS = 32767
LOCKS = ("lock", "mlock")

# The names of the arguments behind the key or prefix.
REST = {
    "set": ("value", "ttl"), "mset": ("value",), "ttl": ("seconds",), "mttl": ("seconds",),
    "lock": ("seconds",), "mlock": ("seconds",), "meta": ("field",), "mget": ("limit",),
}  # fmt: skip


class Limits(NamedTuple):
    max_key_size: int
    max_value_size: int


class Call(NamedTuple):
    """A call: what it does if it is valid, else how it is refused."""

    command: str
    positional: tuple[Any, ...]
    keywords: dict[str, Any]
    request: Request | None  # of a valid one
    at_once: type[Exception] | None  # what any call of the method raises, also that of a Pipeline

    def of(self, target: Any) -> Any:
        return getattr(target, self.command)(*self.positional, **self.keywords)


def frame(request: Request, space: str) -> bytes:
    """The bytes of a request."""
    name = f"{space}:{request.name}".encode()
    rest = [each if isinstance(each, bytes) else str(each).encode() for each in request.arguments]
    if request.command in BARE:
        fields = []
    elif request.command == "set":
        fields = [rest[1], name, rest[0]]
    elif request.command == "mget":
        limit = request.arguments[0]
        fields = [name, *(rest if limit is not None and limit > 0 else [])]
    else:
        fields = [name, *rest]
    payload = b" ".join(fields)
    return struct.pack("<IH", 2 + len(payload), OPCODES[request.command]) + payload


def random_value(chance: random.Random, limits: Limits) -> bytes:
    if chance.random() < 0.3:
        return str(chance.randrange(-50000, 50000)).encode()
    size = chance.choice(
        (1, 5, 19, limits.max_value_size, chance.randint(1, limits.max_value_size))
    )
    return b"v" + bytes(chance.choices(b"vwxyz \0\xff", k=size - 1))


def random_request(chance: random.Random, limits: Limits) -> Request:
    command = chance.choice((*OPCODES, "get", "get", "set", "set", "munlock", "unlock"))
    if command in BARE:
        return Request(command if command != "quit" else "ping")
    name = chance.choice(KEYS if command in KEYED else PREFIXES)
    seconds = chance.choice((0, 5000, MAX_SECONDS, 5000 + chance.randrange(20000)))
    arguments: dict[str, Any] = {
        "value": random_value(chance, limits),
        "ttl": seconds,
        "seconds": chance.choice((-1, seconds)) if command in LOCKS else seconds,
        "field": chance.choice(("size", "encoding", "ttl", "lock")),
        "limit": chance.choice((None, -1, 0, 1, 3)),
    }
    return Request(command, name, tuple(arguments[each] for each in REST.get(command, ())))


def _dressed(chance: random.Random, name: str, value: Any) -> Any:
    """The same argument as another type."""
    if name in ("key", "prefix", "field"):
        return value.encode() if chance.random() < 0.4 else value
    if name == "value":
        return chance.choice((bytes, bytearray, memoryview))(value)
    return value


def _named(request: Request, space: str) -> dict[str, Any]:
    if request.command in BARE:
        return {}
    first = "key" if request.command in KEYED else "prefix"
    rest = zip(REST.get(request.command, ()), request.arguments)
    return {first: f"{space}:{request.name}", **dict(rest)}


def _call(
    chance: random.Random, command: str, named: dict[str, Any], request: Request | None,
    at_once: type[Exception] | None = None,
) -> Call:  # fmt: skip
    count = chance.choice((len(named), len(named), chance.randint(0, len(named))))
    items = list(named.items())
    positional = tuple(value for _, value in items[:count])
    return Call(command, positional, dict(items[count:]), request, at_once)


def valid_call(chance: random.Random, limits: Limits, space: str) -> Call:
    request = random_request(chance, limits)
    named = {name: _dressed(chance, name, it) for name, it in _named(request, space).items()}
    return _call(chance, request.command, named, request)


def _bad(chance: random.Random, command: str, name: str, limits: Limits) -> tuple[Any, Any]:
    """A bad argument, and the exception it raises at once, or None where only running it does."""
    key = limits.max_key_size
    at_once: dict[str, list[tuple[Any, Any]]] = {
        "key": [(None, TypeError), (7, TypeError), (bytearray(b"k"), TypeError),
                (["k"], TypeError)],
        "value": [(None, TypeError), (7, TypeError), (1.5, TypeError),
                  (memoryview(b"abcd")[::2], BufferError)],
        "ttl": [(None, TypeError), ("1", TypeError), (1.5, TypeError)],
        "limit": [("1", TypeError), (1.5, TypeError)],
        "field": [(None, TypeError), (1, TypeError)],
    }  # fmt: skip
    later: dict[str, list[Any]] = {
        "key": [
            "",
            b"",
            "bad key",
            b"a b",
            "a\0b",
            b"\0",
            " ",
            "k" * (key + 1),
            b"k" * 9999,
            "\ud800",
            "\udc80\udc7f",
        ],
        "value": [
            "",
            b"",
            bytearray(),
            b"v" * (limits.max_value_size + 1),
            "ü" * limits.max_value_size,
            "\ud800",
        ],
        "ttl": [-2 if command in LOCKS else -1, -7, MAX_SECONDS + 1, 1 << 70, -(1 << 70)],
        "limit": [],
        "field": ["", "SIZE", b"si", "left\0", "\ud800"],
    }
    kind = {"prefix": "key", "seconds": "ttl"}.get(name, name)
    choices: list[tuple[Any, Any]] = at_once[kind] + [(bad, None) for bad in later[kind]] * 2
    return chance.choice(choices)


def refused_call(chance: random.Random, limits: Limits, space: str) -> Call:
    """A call with one bad argument, one too many, one missing, or one that does not exist."""
    request = random_request(chance, limits)
    named = _named(request, space)
    if not named or chance.random() < 0.1:
        dice = chance.random()
        if named and dice < 0.3:
            del named[next(iter(named))]
        elif dice < 0.6:
            named["nonsense"] = 1
        else:
            return Call(request.command, (*named.values(), 1, 2, 3), {}, None, TypeError)
        return Call(request.command, (), named, None, TypeError)
    name = chance.choice(list(named))
    named[name], at_once = _bad(chance, request.command, name, limits)
    return _call(chance, request.command, named, None, at_once)
