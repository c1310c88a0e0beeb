"""A program of ours that runs as long as a with statement: what Server and Proxy share."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ._guard import Guard
from ._pygibson import Client

_BUNDLED = Path(__file__).parent / "bin"

_Self = TypeVar("_Self", bound="Process")


def find_program(name: str, variable: str) -> str:
    """Return what the environment variable names, else the program inside the package, else the
    first on PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    named = os.environ.get(variable)
    if named:
        return named
    bundled = _BUNDLED / name
    if os.access(bundled, os.X_OK):
        return str(bundled)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(
            f"no {name}: it is not in this package nor on PATH, and {variable} is not set"
        )
    return found


def lacking(said: str) -> str:
    """Say it where what was said is the dynamic loader missing a library, else return ""."""
    found = re.search(r"error while loading shared libraries: ([^\s:]+): cannot open", said)
    if found is None:
        return ""
    package = ""
    if found[1].startswith("liblzf."):
        package = "; install the package liblzf1 (Debian, Ubuntu) or liblzf (Fedora, Alpine)"
    return f"\nIt needs the library {found[1]}, which this machine does not have{package}"


def _end(process: subprocess.Popen[bytes], owner: int, timeout: float = 10) -> None:
    """End a process, by force if it takes longer than timeout seconds. A child of fork does not."""
    if os.getpid() != owner:
        return
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _remove(guard: Guard, owner: int) -> None:
    if os.getpid() == owner:
        guard.end()


class Process:
    """A process that listens on a unix socket or a TCP port of 127.0.0.1, with a directory of its
    own. Both end with their owner, however that ends."""

    def __init__(self, unix_socket: str | None, port: int | None) -> None:
        """Make one that does not run yet: with neither, on a unix socket in its directory."""
        self._guard = Guard()
        self.directory = self._guard.directory
        if unix_socket is None and port is None:
            unix_socket = os.path.join(self.directory, "gibson.sock")
        self.unix_socket = unix_socket
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self._ending: weakref.finalize[..., Any] | None = None
        self._removal = weakref.finalize(self, _remove, self._guard, os.getpid())

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the process, and return it when it listens and self.port is its port."""
        raise NotImplementedError

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """See to the end of a process, also of one that does not come to listen."""
        self._ending = weakref.finalize(self, _end, process, os.getpid())
        self._guard.known()

    def start(self) -> None:
        """Start the program and wait until it listens.

        Raises:
            PyGibsonError: it did not start; the message has what it said.
            RuntimeError: it runs already, or an earlier start was interrupted.
        """
        if not self._removal.alive:
            raise RuntimeError(
                f"an earlier start was interrupted: make another {type(self).__name__}"
            )
        if self.process is not None:
            raise RuntimeError(f"the {type(self).__name__.lower()} runs already")
        try:
            self.process = self._launch()
        except BaseException:
            self._finish()
            if self._guard.lost_track:
                self._removal()  # which ends the process as well
            raise

    def _finish(self) -> None:
        ending, self.process, self._ending = self._ending, None, None
        if ending is not None:
            ending()

    def stop(self) -> int | None:
        """End the program and its connections. Return its exit code, 0 unless it failed; None if it
        did not run."""
        process = self.process
        self._finish()
        return None if process is None else process.returncode

    @property
    def address(self) -> dict[str, Any]:
        """The arguments with which Client connects."""
        if self.unix_socket is not None:
            return {"unix_socket": self.unix_socket}
        return {"addr": "127.0.0.1", "port": self.port}

    def client(self, **options: Any) -> Client:
        """Return a new Client that connects there. The options are those of Client."""
        return Client(**self.address, **options)

    @property
    def _place(self) -> str:
        return f"unix:{self.unix_socket}" if self.unix_socket else f"127.0.0.1:{self.port}"

    def __enter__(self: _Self) -> _Self:
        if self.process is None:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.process else "not running"
        return f"<pygibson.{type(self).__name__} {self._place}, {state}>"
