"""A server's own entry in etcd, which is there as long as the process that made it."""

from __future__ import annotations

import os
import random
import ssl
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Callable

from ._failures import Failures, as_failure, guard, logger
from ._gateway import Gateway, directory, encode
from ._source import SourceError, Stop, backoff, settle

_RENEWALS = 3  # in a time to live: two may be lost
_RETRY_DELAY = 0.5  # seconds; doubled with each failure, up to the time from renewal to renewal


class EtcdRegistration:
    """Lists a server in etcd, for EtcdSource to find, until the end of the with statement.

    >>> with EtcdRegistration("http://127.0.0.1:2379", "/gibson/main/", "10.0.0.1:10128"):
    ...     run_until_told_to_stop()

    The key has a lease which a daemon thread renews. At the end the key is deleted; if the process
    is killed, or cannot reach etcd, that is done by etcd at the end of the lease. A lease that was
    lost is replaced, and the key put again.

    In a child of fork it is not the child's: neither the thread nor the end of the with statement
    is there. Where the server could die and leave this process behind, give a check.

    Args:
        endpoints, timeout, username, password, ssl_context: as of EtcdSource.
        prefix (str): of the list, as of EtcdSource.
        address (str): of the server, as of Cluster.
        weight (int): of the server.
        ttl (int): seconds after which the server is off the list when nobody renews the lease. etcd
            has a least one of its own, 2 by default, which then counts.
        check (callable): is called before each renewal, as `Client(...).ping`. If it raises, the
            lease is not renewed, so that it ends; the server is listed again once it passes.
        on_failure (callable): is called, in the thread, with the exception of each failure.

    Attributes:
        key (str): in etcd.
        registrations (int): how often the key was put: more than once, if a lease was lost.

    Raises:
        SourceError: the server could not be registered.
        ValueError: an argument makes no sense.
        ImportError: urllib3 is not installed.
        Exception: what the check has raised.
    """

    def __init__(
        self,
        endpoints: str | Iterable[str],
        prefix: str,
        address: str,
        weight: int = 1,
        ttl: int = 10,
        *,
        timeout: float = 5.0,
        username: str | None = None,
        password: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        check: Callable[[], object] | None = None,
        on_failure: Callable[[Exception], object] | None = None,
    ) -> None:
        if not isinstance(ttl, int) or ttl < 1:
            raise ValueError(f"ttl must be an int of at least 1 second, not {ttl!r}")
        ((name, self._weight),) = settle([(address, weight)], "EtcdRegistration")
        self.key = directory(prefix) + name
        self.registrations = 0
        self._ttl = ttl
        self._check = check
        self._gateway = Gateway(endpoints, timeout, username, password, ssl_context)
        self._failures = Failures(repr(self), on_failure)
        self._stop = Stop()
        self._owner = os.getpid()
        if check is not None:
            check()
        self._lease, self._is_put = "", False
        self._register()
        self._thread = threading.Thread(target=self._run, name="pygibson-registration", daemon=True)
        self._thread.start()

    @property
    def failures(self) -> int:
        """How often the lease could not be renewed, or the check has failed."""
        return self._failures.count

    @property
    def last_error(self) -> Exception | None:
        """Of the last failure; None if there was none."""
        return self._failures.last

    @property
    def is_failing(self) -> bool:
        """Whether the last renewal has failed."""
        return self._failures.in_a_row > 0

    def _register(self) -> None:
        """Put the key with a new lease."""
        granted = self._gateway.call("/v3/lease/grant", {"TTL": str(self._ttl)})
        lease = granted.get("ID")
        if not isinstance(lease, str):
            raise SourceError(f"{self!r}: etcd has granted no lease: {granted}")
        self._ttl = int(granted.get("TTL", self._ttl))
        self._lease, self._is_put = lease, False
        self._put()

    def _put(self) -> None:
        pair = {"key": encode(self.key.encode()), "value": encode(b"%d" % self._weight)}
        self._gateway.call("/v3/kv/put", {**pair, "lease": self._lease})
        self._is_put = True
        self.registrations += 1
        logger.info("%r: registered for %d s", self, self._ttl)

    def _renew(self) -> None:
        if self._check is not None:
            self._check()
        answer = self._gateway.call("/v3/lease/keepalive", {"ID": self._lease})
        if int(answer.get("result", {}).get("TTL", 0)) <= 0:
            logger.warning("%r: the lease was lost", self)
            self._register()
        elif not self._is_put:  # no answer came to that
            self._put()

    def _pause(self) -> bool:
        """Wait until the next renewal. Returns True at the end."""
        between = self._ttl / _RENEWALS
        if self._failures.in_a_row:
            return self._stop.wait(backoff(self._failures.in_a_row, _RETRY_DELAY, between))
        return self._stop.wait(between * random.uniform(0.8, 1))

    def _run(self) -> None:
        while not self._pause():
            try:
                self._renew()
                self._failures.clear()
            except BaseException as error:  # of the check
                self._failures.add(as_failure(error, repr(self)), "the lease is not renewed")

    def close(self) -> None:
        """End the thread and delete the key, waiting for what is under way. If etcd cannot be
        reached, that is logged, and etcd deletes the key at the end of the lease."""
        if os.getpid() != self._owner or self._stop.is_set():
            return
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        guard(self._revoke)

    def _revoke(self) -> None:
        try:
            self._gateway.call("/v3/lease/revoke", {"ID": self._lease})
        except SourceError as error:
            logger.warning("%r: is listed for another %d s: %s", self, self._ttl, error)

    def __enter__(self) -> EtcdRegistration:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EtcdRegistration({self.key!r})"
