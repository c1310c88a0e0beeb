"""What tests of all sources share: what a follower has told, in order."""

from __future__ import annotations

import queue
import time
from typing import Any

from peer import LONG
from pygibson import Cluster
from pygibson.membership import Follower, Server, Source, follow

ELSEWHERE = "127.0.0.1:9"  # what the cluster is made with; nobody asks it anything


class Told:
    """The callbacks of follow(). Each list or error is waited for, and taken, once."""

    def __init__(self) -> None:
        self._changes: queue.Queue[list[Server]] = queue.Queue()
        self._failures: queue.Queue[Exception] = queue.Queue()

    @property
    def options(self) -> dict[str, Any]:
        return {"on_change": self._changes.put, "on_failure": self._failures.put}

    def change(self) -> list[Server]:
        return self._changes.get(timeout=LONG)

    def failure(self) -> str:
        return str(self._failures.get(timeout=LONG))

    def failure_with(self, text: str) -> str:
        """The next failure that says that: others may come before it while a program is killed."""
        end = time.monotonic() + LONG
        while text not in (said := self.failure()):
            assert time.monotonic() < end, said
        return said

    @property
    def is_quiet(self) -> bool:
        return self._changes.empty() and self._failures.empty()


def cluster() -> Cluster:
    return Cluster([ELSEWHERE])


def addresses(followed: Cluster) -> list[str]:
    return [server.server for server in followed.servers]


def started(followed: Cluster, source: Source) -> tuple[Follower, Told]:
    """Follow, with the first list already taken from what was told."""
    told = Told()
    follower = follow(followed, source, **told.options)
    assert told.change() == follower.servers
    return follower, told
