"""A gibson-server that lives as long as a with statement, for tests and tools."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import time
from pathlib import Path

from ._process import Process, find_program, lacking
from ._pygibson import PyGibsonError

__all__ = ["Server", "find_server"]


def find_server() -> str:
    """Return the path of the gibson-server program.

    That is what the environment variable GIBSON_SERVER names, else the one inside the package,
    else the first on PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    return find_program("gibson-server", "GIBSON_SERVER")


class Server(Process):
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
        super().__init__(None if unix_socket is None else os.fspath(unix_socket), port)
        self._executable = os.fspath(executable) if executable is not None else find_server()
        self._start_timeout = start_timeout
        self._directives = directives
        self._log = Path(self.directory, "log")

    def _launch(self) -> subprocess.Popen[bytes]:
        notify_path = os.path.join(self.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(notify_path)
            try:
                return self._launch_notifying(notify, notify_path)
            finally:
                os.unlink(notify_path)

    def _launch_notifying(self, notify: socket.socket, notify_path: str) -> subprocess.Popen[bytes]:
        self._log.write_bytes(b"")
        process = subprocess.Popen(
            self._guard.command(self._command()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "NOTIFY_SOCKET": notify_path},
        )
        self._watch(process)
        failure = self._wait_until_ready(process, notify)
        if failure is None and self.port == 0:
            failure = self._find_port()
        if failure is not None:
            raise PyGibsonError(f"{self._executable} {failure}")
        return process

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
                    text = said.decode(errors="replace")
                    return f"ended with {process.wait()}: {text}{self.log}{lacking(text)}"

    def _find_port(self) -> str | None:
        found = re.search(r"listening on \S+ port (\d+)", self.log)
        if found is None:
            return "does not say its port, as loglevel is above 1"
        self.port = int(found[1])
        return None

    @property
    def log(self) -> str:
        """What the server has logged since it was started."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""
