"""Counting failures, and telling them: what Follower and EtcdRegistration share."""

from __future__ import annotations

import logging
import threading
from typing import Callable

from ._source import SourceError

logger = logging.getLogger("pygibson.membership")


class Failures:
    """Those of one thing that is tried again and again.

    Attributes:
        count: of all.
        in_a_row: since the last success.
        last: the error of the last one, or None.
    """

    def __init__(self, what: str, callback: Callable[[Exception], object] | None) -> None:
        self._what = what
        self._callback = callback
        self._told: str | None = None
        self.count = 0
        self.in_a_row = 0
        self.last: Exception | None = None

    def add(self, error: Exception, kept: str) -> None:
        """Count and tell it; kept says what goes on regardless. The same one once more is told to
        the logger as DEBUG only."""
        self.last = error
        self.count += 1
        self.in_a_row += 1
        text = str(error) or repr(error)
        if not text.startswith(self._what):
            text = f"{self._what}: {text}"
        level = logging.DEBUG if text == self._told else logging.WARNING
        self._told = text
        logger.log(level, "%s; %s (failure %d in a row)", text, kept, self.in_a_row)
        if self._callback is not None:
            guard(self._callback, error)

    def clear(self) -> None:
        """It has worked."""
        if self.in_a_row:
            logger.info("%s: works again after %d failures", self._what, self.in_a_row)
        self.in_a_row = 0
        self._told = None


def as_failure(error: BaseException, what: str) -> Exception:
    """Return what to tell of an exception that was raised in a thread: sys.exit() and such end a
    program in its main thread only."""
    return error if isinstance(error, Exception) else SourceError(f"{what}: {error!r}")


def guard(callback: Callable[..., object], *arguments: object) -> None:
    """Call what a user has given: what it raises must not end the thread, but for what ends the
    program in the main thread."""
    try:
        callback(*arguments)
    except BaseException as error:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and not isinstance(error, Exception):
            raise
        logger.exception("the callback %r has raised an exception", callback)
