"""Client and Pipeline of pygibson.aio with the manners of the blocking ones: each method runs an
event loop until it has its result. So the tests of the blocking Client are tests of both."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from typing import Any, Callable

from pygibson import aio
from space import COMMANDS

_loop: asyncio.AbstractEventLoop | None = None


def loop() -> asyncio.AbstractEventLoop:
    """The one loop of all tests."""
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
        _loop.slow_callback_duration = 1e9  # else it logs, and pytest keeps that, on a busy machine
    return _loop


def close_loop() -> None:
    global _loop
    if _loop is not None:
        _loop.close()
        _loop = None


def forget_timers() -> None:
    """Drop the timers that were cancelled, which the loop keeps until there are many."""
    made: Any = loop()
    timers = made._scheduled
    timers[:] = sorted(timer for timer in timers if not timer.cancelled())
    made._timer_cancelled_count = 0


def run(method: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    async def call() -> Any:
        return await method(*arguments, **keywords)

    return loop().run_until_complete(call())


def _looped(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **keywords: Any) -> Any:
        return run(method, *arguments, **keywords)

    return call


class Client(aio.Client):
    __doc__ = aio.Client.__doc__

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.connect()

    def pipeline(self, *arguments: Any, **options: Any) -> Any:
        return Pipeline.around(super().pipeline(*arguments, **options))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


for name in (*COMMANDS, "close", "connect"):
    setattr(Client, name, _looped(getattr(aio.Client, name)))
if sys.version_info >= (3, 10):  # before, there is none
    Client.__signature__ = inspect.signature(aio.Client)  # type: ignore[attr-defined]


class Pipeline:
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.batch = aio.Pipeline(*arguments, **options)

    @classmethod
    def around(cls, batch: aio.Pipeline) -> Pipeline:
        made = cls.__new__(cls)
        made.batch = batch
        return made

    def execute(self) -> Any:
        return run(self.batch.execute)

    @property
    def results(self) -> Any:
        return self.batch.results

    def __len__(self) -> int:
        return len(self.batch)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *raised: Any) -> None:
        run(self.batch.__aexit__, *raised)


def _noted(name: str) -> Callable[..., Pipeline]:
    @functools.wraps(getattr(aio.Pipeline, name))
    def call(self: Pipeline, *arguments: Any, **keywords: Any) -> Pipeline:
        assert getattr(self.batch, name)(*arguments, **keywords) is self.batch
        return self

    return call


for name in COMMANDS:
    if name != "quit":
        setattr(Pipeline, name, _noted(name))
