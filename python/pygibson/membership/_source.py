"""What every source of a list of servers is, and what it makes of the entries that it has read."""

from __future__ import annotations

import contextlib
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

from .._pygibson import Cluster, InvalidArgumentError, PyGibsonError

Server = tuple[str, int]
"""Address and weight, as Cluster takes them."""


class SourceError(PyGibsonError):
    """A list of servers could not be read, is empty, or has an entry that is none."""


class Look(NamedTuple):
    """What a source has said, and what it needs to wait for the next list."""

    servers: list[Server]
    place: float = 0
    """Of the source: the time to live (s) of a DNS answer, or the revision of etcd."""


class Stop:
    """Ends the waits of a source, from another thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._interrupts: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()
        with self._lock:
            for interrupt in self._interrupts:
                interrupt()

    def wait(self, seconds: float) -> bool:
        """Return True as soon as it is set, or False after that time."""
        return self._event.wait(seconds)

    @contextlib.contextmanager
    def interrupting(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Call it when this is set within the with statement, and at once if it was before."""
        with self._lock:
            if self._event.is_set():
                interrupt()
            self._interrupts.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)


def take_seconds(value: float, name: str, *, zero: bool = False) -> float:
    """Return the time that an argument is.

    Raises:
        ValueError: it is not above 0, or not finite, or more than a thread can wait.
        TypeError: it is no number.
    """
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    least = "0 or more" if zero else "above 0"
    if not (0 <= value <= threading.TIMEOUT_MAX and (value or zero)):  # which NaN is not
        raise ValueError(f"{name} must be {least}, and finite: {value!r} seconds make no sense")
    return value


def backoff(failures: int, first: float, longest: float) -> float:
    """Return the seconds to wait after so many failures in a row: doubled with each, less up to
    half of it at random, so that many clients do not come back at once."""
    delay = min(first * 2.0 ** min(failures - 1, 32), longest)
    return delay * random.uniform(0.5, 1)


class Source(ABC):
    """A list of servers that somebody keeps. Those of your own define read(), and may define look()
    and wait() where they can tell that the list has changed.

    It keeps nothing between calls that matters to others: threads may share a source, several
    clusters may follow it, and it can be used in a child of fork.

    Attributes:
        interval: seconds from one reading to the next.
        retry_delay, retry_max_delay: seconds from a failure to the next reading: the first, which
            is doubled with every failure in a row, and the longest.
    """

    interval: float = 5.0
    retry_delay: float = 0.5
    retry_max_delay: float = 30.0

    @abstractmethod
    def read(self) -> list[Server]:
        """Return the servers, as Cluster() takes them.

        Raises:
            SourceError: there is no list to be had, or it is empty or malformed.
        """

    def look(self) -> Look:
        """Return the servers, and what wait() needs. Raises as read() does."""
        return Look(self.read())

    def wait(self, look: Look, stop: Stop) -> None:
        """Return when the list may be another one than that of look, or soon after the stop.

        Raises:
            SourceError: nobody would tell.
        """
        stop.wait(self.interval)


def settle(entries: Iterable[Server], whence: str) -> list[Server]:
    """Return the entries in one order, with addresses as Cluster writes them, so that equal lists
    compare as equal.

    Raises:
        SourceError: there is none, or one that is no server, or one that is there twice.
    """
    given = list(entries)
    if not given:
        raise SourceError(f"{whence}: the list of servers is empty")
    for address, _ in given:
        if not isinstance(address, str):
            raise TypeError(f"{whence}: an address must be str, not {type(address).__name__}")
        if any(character.isspace() or not character.isprintable() for character in address):
            raise SourceError(f"{whence}: the address {address!r} has spaces or control characters")
    try:
        with Cluster(given) as made:  # which connects to none of them
            names = [server.server for server in made.servers]
    except TypeError as error:
        raise TypeError(f"{whence}: {str(error).replace('Cluster(): ', '')}") from error
    except InvalidArgumentError as error:
        raise SourceError(f"{whence}: {str(error).replace('Cluster(): ', '')}") from error
    return sorted(zip(names, (weight for _, weight in given)))


def take_weight(text: str, whence: str) -> int:
    """Return the weight that the text is: ASCII digits only, where int() takes more."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise SourceError(f"{whence}: the weight {text!r} is no number from 1 to 4294967295")
    return int(text)
