"""What a correct server does, for a handful of keys that a thread of test_model has for itself, and
what may be the case after requests that got no answer. tests/model has the same in C."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Union

Value = Union[bytes, int]

KEYS = ("a:1", "a:2", "a:22", "b:1", "b:2", "c")
PREFIXES = ("", "a", "a:2", "b:", "c", "z")

KEYED = ("get", "dl", "inc", "dec", "unlock", "set", "ttl", "lock", "meta")
PREFIXED = ("mget", "mset", "mttl", "mdl", "minc", "mdec", "mlock", "munlock", "count", "keys")
BARE = ("stats", "ping", "quit")
COMMANDS = KEYED + PREFIXED + BARE

# Carried out twice, these do the same as once; those that only read do nothing.
REPEATABLE = ("set", "ttl", "unlock", "mset", "mttl", "munlock")
READS = ("get", "mget", "count", "stats", "ping", "meta", "keys")


class Item(NamedTuple):
    value: Value
    ttl: int = 0
    lock: int = 0


Items = tuple[Optional[Item], ...]


class Request(NamedTuple):
    command: str
    name: str = ""  # of the key, or the prefix
    arguments: tuple[Any, ...] = ()

    def call(self, target: Any, space: str) -> Any:
        method = getattr(target, self.command)
        return method(*self.arguments) if self.command in BARE else self._named(method, space)

    def _named(self, method: Any, space: str) -> Any:
        return method(f"{space}:{self.name}", *self.arguments)


class Failure(NamedTuple):
    """The name of the exception that an answer of the server becomes."""

    name: str


NOT_FOUND = Failure("NotFoundError")
LOCKED = Failure("LockedError")
NAN = Failure("NaNError")


def number(value: Value) -> int | None:
    """The number that a value is or spells. Values that are no number begin with a letter."""
    if isinstance(value, int):
        return value
    return int(value) if value[:1] in b"-0123456789" else None


def _apply_to_key(item: Item | None, request: Request) -> tuple[Item | None, Any]:
    command, arguments = request.command, request.arguments
    if command in ("inc", "dec"):
        return _change(item, 1 if command == "inc" else -1)
    if item is not None and item.lock and command in ("set", "dl", "lock"):
        return item, LOCKED
    if command == "set":
        return Item(arguments[0], arguments[1]), None
    if item is None:
        return None, NOT_FOUND
    if command == "get":
        return item, item.value
    if command == "dl":
        return None, None
    if command == "ttl":
        return item._replace(ttl=arguments[0]), None
    if command in ("lock", "unlock"):
        return item._replace(lock=arguments[0] if arguments else 0), None
    return item, _meta(item, arguments[0])


def _change(item: Item | None, delta: int) -> tuple[Item | None, Any]:
    if item is None:
        return Item(1), 1
    if item.lock:
        return item, LOCKED
    old = number(item.value)
    if old is None:
        return item, NAN
    return item._replace(value=old + delta), old + delta


def _meta(item: Item, field: str) -> int:
    if field == "size":
        return 8 if isinstance(item.value, int) else len(item.value)
    if field == "encoding":
        return 2 if isinstance(item.value, int) else 0
    return item.lock if field == "lock" else item.ttl or -1


def _apply_to_one(item: Item, request: Request) -> tuple[Item | None, bool]:
    """Returns what becomes of one of the items under a prefix, and whether it counts."""
    command, arguments = request.command, request.arguments
    if command == "munlock":
        return item._replace(lock=0), True
    if command in ("mget", "keys", "count"):
        return item, True
    if command == "mttl":
        return item._replace(ttl=arguments[0]), True
    if item.lock:
        return item, False
    if command == "mset":
        return Item(arguments[0]), True
    if command == "mlock":
        return item._replace(lock=arguments[0]), True
    if command == "mdl":
        return None, True
    old = number(item.value)
    if old is None:
        return item, False
    return item._replace(value=old + (1 if command == "minc" else -1)), True


def apply(items: Items, request: Request) -> tuple[Items, Any]:
    """Returns what becomes of the items, and the answer; of mget and keys, how many there are."""
    if request.command in BARE:
        return items, None
    changed = list(items)
    if request.command in KEYED:
        index = KEYS.index(request.name)
        changed[index], answer = _apply_to_key(items[index], request)
        return tuple(changed), answer
    count = 0
    for index, name in enumerate(KEYS):
        item = items[index]
        if item is not None and name.startswith(request.name):
            changed[index], counts = _apply_to_one(item, request)
            count += counts
    return tuple(changed), NOT_FOUND if count == 0 and request.command != "count" else count


def matches(space: str, items: Items, request: Request, expected: Any, got: Any) -> bool:
    """Tells whether an answer is what the server says when it has become like that."""
    if isinstance(expected, Failure) or isinstance(got, Failure):
        return bool(expected == got)
    if request.command == "stats":
        return len(got) >= 27 and got["total_items"] >= 0
    if request.command in ("mget", "keys"):
        return _list_matches(space, items, request, expected, got)
    return type(expected) is type(got) and bool(expected == got)


def _list_matches(space: str, items: Items, request: Request, count: int, got: Any) -> bool:
    there = {
        f"{space}:{name}": item.value
        for name, item in zip(KEYS, items)
        if item is not None and name.startswith(request.name)
    }
    if request.command == "keys":
        return sorted(got) == sorted(key.encode() for key in there)
    limit = request.arguments[0]
    return len(got) == (min(limit, count) if limit and limit > 0 else count) and all(
        key in there and type(there[key]) is type(value) and there[key] == value
        for key, value in got.items()
    )


class TooManyWorlds(Exception):
    """There are more than can be told apart."""


class Worlds:
    """All that may be the case on the server. A world is the items, and how many requests of each
    batch that got no answer have been carried out."""

    MOST = 3000

    def __init__(self, space: str) -> None:
        self.space = space
        self.all: set[tuple[Items, tuple[int, ...]]] = {((None,) * len(KEYS), ())}
        self.batches: list[list[Request]] = []

    def lose(self, requests: list[Request]) -> None:
        """Notes requests without an answer: the first so many, in order, at any time."""
        batch = [each for each in requests if each.command not in (*READS, "quit")]
        if batch:
            self.batches.append(batch)
            self.all = {(items, (*done, 0)) for items, done in self.all}

    def may_become(self) -> int:
        ways = len(self.all)
        for batch in self.batches:
            ways *= len(batch) + 1
        return ways

    def _let_time_pass(self) -> None:
        found = list(self.all)
        for items, done in found:
            for index, batch in enumerate(self.batches):
                if done[index] < len(batch):
                    later, _ = apply(items, batch[done[index]])
                    world = (later, (*done[:index], done[index] + 1, *done[index + 1 :]))
                    if world not in self.all:
                        self.all.add(world)
                        found.append(world)
            if len(found) > self.MOST:
                raise TooManyWorlds

    def answer(self, request: Request, got: Any) -> bool:
        """Notes an answer. False if it is right in no world."""
        self._let_time_pass()
        left = set()
        for items, done in self.all:
            after, expected = apply(items, request)
            if matches(self.space, after, request, expected, got):
                left.add((after, done))
        if left:
            self.all = left
        return bool(left)

    def settle(self) -> None:
        """Notes that nothing is still to be carried out."""
        self._let_time_pass()
        self.all = {(items, ()) for items, _ in self.all}
        self.batches = []

    def reset(self) -> None:
        """Notes that there is nothing, neither items nor requests on their way."""
        self.__init__(self.space)  # type: ignore[misc]
