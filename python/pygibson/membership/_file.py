"""A file with a list of servers."""

from __future__ import annotations

import os
import stat
import time
from typing import NamedTuple

from ._source import Server, Source, SourceError, settle, take_seconds, take_weight

_LARGEST = 16 * 1024 * 1024  # bytes: 65535 servers, the most that a Cluster has, take less


class _Contents(NamedTuple):
    data: bytes
    age: float  # seconds since it was written; negative where the clock was set back


def _open_at_once(path: str, flags: int) -> int:
    """A pipe that nobody writes to must not keep the reader."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _parse_line(line: str, whence: str) -> Server | None:
    words = line.partition("#")[0].split()
    if not words:
        return None
    if len(words) > 2:
        raise SourceError(f"{whence}: more than an address and a weight: {line.strip()!r}")
    return words[0], take_weight(words[1], whence) if len(words) == 2 else 1


def parse(data: bytes, path: str) -> list[Server]:
    """Return the servers that a file lists.

    Raises:
        SourceError: there is none, or a line that is none.
    """
    if data and not data.endswith(b"\n"):
        raise SourceError(f"{path}: its last line does not end: it may be half-written")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: is no UTF-8: {error}") from error
    entries = (_parse_line(line, f"{path}:{number}") for number, line in enumerate(lines, 1))
    return settle((entry for entry in entries if entry is not None), path)


class FileSource(Source):
    """The servers that a file lists: one address on a line, as of Cluster, behind it a space and a
    weight where that is not 1, and comments behind #.

        10.0.0.1:10128
        10.0.0.2:10128 2     # has twice the memory
        unix:/run/gibson.sock

    To change it, rename a new file to its name; a link that comes to point elsewhere, as of a
    ConfigMap of Kubernetes, does as well. A file that is written in place is taken when nobody has
    written to it for `quiet` seconds. A last line without its end, as of a writer that was killed,
    is a failure.

    Args:
        path (str or PathLike): of the file, in UTF-8.
        interval (float): seconds from one reading to the next, also after a failure.
        quiet (float): seconds without a change after which a file counts as written; 0 for none.

    Raises:
        ValueError, TypeError: a time makes no sense.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, interval: float = 1.0, quiet: float = 0.1
    ) -> None:
        self.path = os.fspath(path)
        self.interval = self.retry_delay = self.retry_max_delay = take_seconds(interval, "interval")
        self.quiet = take_seconds(quiet, "quiet", zero=True)

    def _contents(self) -> _Contents:
        try:
            with open(self.path, "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise SourceError(f"{self.path}: is no regular file")
                written = os.fstat(file.fileno()).st_mtime
                data = file.read(_LARGEST + 1)
                if os.fstat(file.fileno()).st_mtime != written:
                    return _Contents(data, 0)
        except OSError as error:
            raise SourceError(f"{self.path}: {error.strerror}") from error
        except ValueError as error:  # a NUL in the path
            raise SourceError(f"{self.path!r}: {error}") from error
        if len(data) > _LARGEST:
            raise SourceError(f"{self.path}: is larger than {_LARGEST} bytes")
        return _Contents(data, time.time() - written)

    def read(self) -> list[Server]:
        """Return the servers of the file; one that is being written is waited for, for at most a
        second and ten times `quiet`.

        Raises:
            SourceError: the file cannot be read, is being written all the time, is empty, or has a
                line that is no server.
        """
        end = time.monotonic() + 1 + 10 * self.quiet
        contents = self._contents()
        while abs(contents.age) < self.quiet:
            if time.monotonic() > end:
                raise SourceError(f"{self.path}: is being written all the time")
            time.sleep(self.quiet - abs(contents.age))
            contents = self._contents()
        return parse(contents.data, self.path)

    def __repr__(self) -> str:
        return f"FileSource({self.path!r})"
