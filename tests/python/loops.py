"""Event loops for tests of pygibson.aio, and peers that answer more than one request."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Callable, TypeVar

import pytest
from peer import LONG, Connection, value

T = TypeVar("T")

KINDS = ("asyncio", "uvloop")


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop
    if kind == "asyncio":
        loop = asyncio.new_event_loop()
    else:
        loop = pytest.importorskip("uvloop").new_event_loop()
    loop.slow_callback_duration = LONG  # else pytest keeps what a busy machine logs
    return loop


@contextmanager
def loop_of(kind: str) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop to which nothing may be told that nobody has caught."""
    loop = new_loop(kind)
    loop.set_debug(True)
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        yield loop
        gc.collect()
        assert not told, told
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def run_in(kind: str, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it to its end, for which it has a time that is never needed."""
    with loop_of(kind) as loop:
        return loop.run_until_complete(asyncio.wait_for(main(), LONG))


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


class Gate:
    """A script: answers each request with its payload, but only while the gate is open."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._changed = threading.Condition()
        self._allowed = 0

    def allow(self, count: int) -> None:
        """Let so many more be answered."""
        with self._changed:
            self._allowed += count
            self._changed.notify_all()

    def _answers(self, connection: Connection, closed: threading.Event) -> None:
        answered = 0
        while not closed.is_set():
            with self._changed:
                if not (self._allowed and answered < len(self.asked)):
                    self._changed.wait(0.05)
                    continue
                self._allowed -= 1
            try:
                connection.send(value(self.asked[answered]))
            except OSError:
                return
            answered += 1

    def __call__(self, connection: Connection) -> None:
        closed = threading.Event()
        thread = threading.Thread(target=self._answers, args=(connection, closed), daemon=True)
        thread.start()
        try:
            while True:
                self.asked.append(connection.request()[1])
                with self._changed:
                    self._changed.notify_all()
        finally:
            closed.set()
            thread.join(LONG)
