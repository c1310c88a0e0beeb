"""A gibson-server that lives as long as a with statement, for tests and tools."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any

from ._pygibson import Client, PyGibsonError

__all__ = ["Server", "find_server"]

_BUNDLED = Path(__file__).parent / "bin"
_LONGEST_SOCKET_PATH = 107  # bytes, of a unix socket on Linux


def find_server() -> str:
    """Return the path of the gibson-server program.

    That is what the environment variable GIBSON_SERVER names, else the one inside the package,
    else the first on PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    return _find_program("gibson-server", "GIBSON_SERVER")


def _find_program(name: str, variable: str) -> str:
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


def _make_directory() -> str:
    """Make a temporary directory in which a unix socket has room for its path."""
    directory = tempfile.mkdtemp(prefix="gibson-")
    if len(os.fsencode(directory)) + len("/gibson.sock") > _LONGEST_SOCKET_PATH:
        os.rmdir(directory)
        directory = tempfile.mkdtemp(prefix="gibson-", dir="/tmp")
    return directory


def _end(process: subprocess.Popen[bytes], owner: int, timeout: float = 10) -> None:
    """End a server, by force if it takes longer than timeout seconds. A child of fork does not."""
    if os.getpid() != owner:
        return
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _remove(directory: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


class Server:
    """A gibson-server process of one's own.

    >>> with Server() as server:
    ...     with server.client() as client:
    ...         client.set("key", "value")

    Args:
        unix_socket: path of the unix socket to listen on; where neither this nor port is given, one
            in a temporary directory.
        port: TCP port to listen on, of 127.0.0.1; 0 for any that is free. It then stays the same
            when the server is started again.
        executable: path of the program; by default what find_server finds.
        start_timeout: seconds that the server may take to start.
        directives: directives of the configuration, such as max_memory="64M" or compat=True.

    Attributes:
        unix_socket: path of the unix socket, or None.
        port: the TCP port, or None.
        process: the subprocess.Popen while the server runs, else None.
    """

    def __init__(
        self,
        unix_socket: str | os.PathLike[str] | None = None,
        port: int | None = None,
        *,
        executable: str | os.PathLike[str] | None = None,
        start_timeout: float = 10.0,
        **directives: str | int,
    ) -> None:
        if unix_socket is not None and port is not None:
            raise TypeError("Server() takes unix_socket or port, not both")
        for taken in ("address", "logfile", "daemonize", "pidfile"):
            if taken in directives:
                raise TypeError(f"Server() does not take the directive {taken}")
        self._executable = os.fspath(executable) if executable is not None else find_server()
        self._start_timeout = start_timeout
        self._directives = directives
        self._directory = _make_directory()
        self._log = Path(self._directory, "log")
        if unix_socket is None and port is None:
            unix_socket = Path(self._directory, "gibson.sock")
        self.unix_socket = None if unix_socket is None else os.fspath(unix_socket)
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self._ending: weakref.finalize[..., Any] | None = None
        weakref.finalize(self, _remove, self._directory, os.getpid())

    def start(self) -> None:
        """Start the server and wait until it listens.

        Raises:
            PyGibsonError: it did not start; the message has what it said.
        """
        if self.process is not None:
            raise RuntimeError("the server runs already")
        notify_path = os.path.join(self._directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(notify_path)
            try:
                self._start(notify, notify_path)
            finally:
                os.unlink(notify_path)

    def _start(self, notify: socket.socket, notify_path: str) -> None:
        self._log.write_bytes(b"")
        process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "NOTIFY_SOCKET": notify_path},
        )
        ending = weakref.finalize(self, _end, process, os.getpid())
        failure = self._wait_until_ready(process, notify)
        if failure is None and self.port == 0:
            failure = self._find_port()
        if failure is not None:
            ending()
            raise PyGibsonError(f"{self._executable} {failure}")
        self.process, self._ending = process, ending

    def _command(self) -> list[str]:
        command = [self._executable, "--logfile", str(self._log)]
        if self.unix_socket is not None:
            command += ["--unix_socket", self.unix_socket]
        else:
            command += ["--address", "127.0.0.1", "--port", str(self.port)]
        for name, value in self._directives.items():
            command += [f"--{name}", str(int(value) if isinstance(value, bool) else value)]
        return command

    def _wait_until_ready(
        self, process: subprocess.Popen[bytes], notify: socket.socket
    ) -> str | None:
        """Wait for the READY of sd_notify(3), or for the end of the process. Return what failed."""
        assert process.stderr is not None
        stderr = process.stderr.fileno()
        deadline = time.monotonic() + self._start_timeout
        said = b""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return f"did not start within {self._start_timeout} s: {said.decode()}{self.log}"
            ready, _, _ = select.select([notify.fileno(), stderr], [], [], left)
            if notify.fileno() in ready and b"READY=1" in notify.recv(4096).split(b"\n"):
                return None
            if stderr in ready:
                chunk = os.read(stderr, 4096)
                said += chunk
                if not chunk:
                    return f"ended with {process.wait()}: {said.decode()}{self.log}"

    def _find_port(self) -> str | None:
        found = re.search(r"listening on \S+ port (\d+)", self.log)
        if found is None:
            return "does not say its port, as loglevel is above 1"
        self.port = int(found[1])
        return None

    def stop(self) -> int | None:
        """End the server. Return its exit code, 0 unless it failed; None if it did not run."""
        process, ending = self.process, self._ending
        if process is None or ending is None:
            return None
        self.process = self._ending = None
        ending()
        return process.returncode

    @property
    def log(self) -> str:
        """What the server has logged since it was started."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def address(self) -> dict[str, Any]:
        """The arguments with which Client connects to the server."""
        if self.unix_socket is not None:
            return {"unix_socket": self.unix_socket}
        return {"addr": "127.0.0.1", "port": self.port}

    def client(self, **options: Any) -> Client:
        """Return a new Client of the server. The options are those of Client."""
        return Client(**self.address, **options)

    def __enter__(self) -> Server:
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
        place = f"unix:{self.unix_socket}" if self.unix_socket else f"127.0.0.1:{self.port}"
        return f"<pygibson.Server {place}, {'running' if self.process else 'not running'}>"
