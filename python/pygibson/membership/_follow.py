"""A thread that gives a Cluster the list of a source, whenever that changes."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Callable, Protocol

from ._failures import Failures, as_failure, guard, logger
from ._source import Look, Server, Source, SourceError, Stop, backoff

_LEAST_PAUSE = 0.005  # seconds between two readings, whatever the source says
_GRACE = 1.0  # seconds that close() waits for a reading that is under way


class HasServers(Protocol):
    """A Cluster, or what stands in its place."""

    def set_servers(self, servers: list[Server], /) -> object: ...


class Follower:
    """What follow() returns. A context manager that closes.

    The attributes may be read in any thread, and after the end too.

    Attributes:
        source (Source): that is followed.
        servers (list of (str, int) or None): that the cluster was given last; None before that.
        changes (int): how many lists the cluster was given.
    """

    def __init__(
        self,
        cluster: HasServers,
        source: Source,
        *,
        must_read: bool = True,
        on_change: Callable[[list[Server]], object] | None = None,
        on_failure: Callable[[Exception], object] | None = None,
    ) -> None:
        self.source = source
        self.servers: list[Server] | None = None
        self.changes = 0
        self._cluster = cluster
        self._on_change = on_change
        self._failures = Failures(repr(source), on_failure)
        self._stop = Stop()
        self._lock = threading.Lock()  # had while the cluster is changed: no change after the end
        self._owner = os.getpid()
        first: Look | None = None
        try:
            first = source.look()
            self._take(first)
        except SourceError as error:
            if must_read:
                raise
            self._fail(error)
        self._thread = threading.Thread(
            target=self._run, args=(first,), name="pygibson-membership", daemon=True
        )
        self._thread.start()

    @property
    def failures(self) -> int:
        """How often the source has failed."""
        return self._failures.count

    @property
    def last_error(self) -> Exception | None:
        """Of the last failure, also when the source has come back; None if there was none."""
        return self._failures.last

    @property
    def is_failing(self) -> bool:
        """Whether the source has failed since it last gave a list: the list may be out of date."""
        return self._failures.in_a_row > 0

    def _fail(self, error: Exception) -> None:
        kept = "there is no list yet" if self.servers is None else "the last list is kept"
        self._failures.add(error, kept)

    def _fail_in_thread(self, error: BaseException) -> None:
        if not self._stop.is_set():
            self._fail(as_failure(error, repr(self.source)))

    def _take(self, look: Look) -> None:
        with self._lock:
            if self._stop.is_set() or look.servers == self.servers:
                return
            if not look.servers:
                raise SourceError(f"{self.source!r}: the list of servers is empty")
            self._cluster.set_servers(look.servers)
            self.servers = list(look.servers)
            self.changes += 1
        logger.info("%r: %d servers", self.source, len(look.servers))
        if self._on_change is not None:
            guard(self._on_change, list(look.servers))

    def _pause(self, look: Look | None) -> None:
        """Wait for the next list, or after a failure for a while."""
        failures, source = self._failures.in_a_row, self.source
        if failures or look is None:
            self._stop.wait(backoff(failures, source.retry_delay, source.retry_max_delay))
        else:
            source.wait(look, self._stop)

    def _read_again(self) -> Look:
        look = self.source.look()
        self._take(look)
        self._failures.clear()
        return look

    def _run(self, look: Look | None) -> None:
        while not self._stop.wait(_LEAST_PAUSE):
            # What a source of the user's raises, too, is a failure: it may be better next time.
            try:
                self._pause(look)
            except BaseException as error:
                self._fail_in_thread(error)
                self._stop.wait(Source.retry_delay)  # as it may have been no pause
            try:
                look = look if self._stop.is_set() else self._read_again()
            except BaseException as error:
                self._fail_in_thread(error)

    def close(self) -> None:
        """End the thread. When this returns, the cluster is changed no more. A reading that is
        under way is waited for at most a second, and ends by itself at its timeout. In a child of
        fork it does nothing: the thread is one of the parent."""
        if os.getpid() != self._owner:
            return
        self._stop.set()
        with self._lock:
            pass
        if threading.current_thread() is not self._thread:
            self._thread.join(_GRACE)

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._stop.is_set() else "failing" if self.is_failing else "following"
        return f"<pygibson.membership.Follower of {self.source!r}, {state}>"


def follow(
    cluster: HasServers,
    source: Source,
    *,
    must_read: bool = True,
    on_change: Callable[[list[Server]], object] | None = None,
    on_failure: Callable[[Exception], object] | None = None,
) -> Follower:
    """Give the cluster the list of the source, now and whenever it changes, until the end of the
    with statement.

    The source is read once in this thread, and then by a daemon thread. If it fails, or has an
    empty list, the cluster keeps the last one, and the source is asked again after a delay
    (`Source.retry_delay`). The thread is not there in a child of fork, whose copy of the cluster
    keeps its list: the child has to call follow() itself.

    Args:
        cluster (Cluster): whose list is set.
        source (Source): FileSource, DNSSource, EtcdSource or one of your own.
        must_read (bool): whether a failure of the first reading is raised; if False, the cluster
            keeps the list that it was made with until the source has one.
        on_change (callable): is called with each new list (list of (str, int)).
        on_failure (callable): is called with the exception of each failure. Both are called in the
            thread, the first time in that of the caller; what they raise is logged.

    Returns a Follower.

    Raises:
        SourceError: the first reading failed.
        PyGibsonError: the cluster is closed.
    """
    return Follower(
        cluster, source, must_read=must_read, on_change=on_change, on_failure=on_failure
    )
