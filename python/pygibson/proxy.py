"""A gibson-proxy that lives as long as a with statement: for tests of what a program does when a
server is slow, gone or broken. docs/fault-injection.md tells what each fault does."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading

from ._process import Process, find_program, lacking
from ._pygibson import PyGibsonError
from .server import Server

_LONGEST = 200  # characters of a fault, by far; a command is a line

__all__ = ["Proxy", "find_proxy"]


def find_proxy() -> str:
    """Return the path of the gibson-proxy program.

    That is what the environment variable GIBSON_PROXY names, else the one inside the package, else
    the first on PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    return find_program("gibson-proxy", "GIBSON_PROXY")


class Proxy(Process):
    """A gibson-proxy process between clients and a server.

    >>> with Server() as server, Proxy(server, "reply:cut@7") as proxy:
    ...     with proxy.client() as client:
    ...         client.ping()
    Traceback (most recent call last):
        ...
    pygibson.ConnectionLostError: ping: the server closed the connection

    Args:
        server: a Server, or an address such as "127.0.0.1:10128" or "unix:/run/gibson.sock".
        faults: such as "reply:hold" or "2/request:delay@100=50", for connections to come.
        port: TCP port to listen on, of 127.0.0.1; 0 for any that is free. Where it is not given,
            the proxy listens on a unix socket in a temporary directory.
        executable: path of the program; by default what find_proxy finds.
        timeout: seconds that the proxy may take to start, and to answer a command.

    Threads may share it: it does one command at a time. After a command that got no answer, because
    of the timeout or of an exception of a signal handler, it has to be stopped and started again.

    Attributes:
        unix_socket: path of the unix socket, or None.
        port: the TCP port, or None.
        process: the subprocess.Popen while the proxy runs, else None.
    """

    def __init__(
        self,
        server: Server | str,
        *faults: str,
        port: int | None = None,
        executable: str | os.PathLike[str] | None = None,
        timeout: float = 20.0,
    ) -> None:
        super().__init__(None, port)
        self._executable = os.fspath(executable) if executable is not None else find_proxy()
        self._server = server
        self._faults = faults
        self._timeout = timeout
        self._turn = threading.RLock()  # that a signal handler may take in a command
        self._unanswered = False
        self._owner = os.getpid()

    def _launch(self) -> subprocess.Popen[bytes]:
        if self.unix_socket is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.unix_socket)  # of one that was killed
        self._unanswered = False
        self._owner = os.getpid()
        process = subprocess.Popen(
            self._guard.command(self._command()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self._watch(process)
        line = self._read_line(process)
        if self.unix_socket is None:
            self.port = int(line.rpartition(":")[2])
        return process

    def _command(self) -> list[str]:
        server = self._server if isinstance(self._server, str) else self._server._place
        command = [self._executable, "--commands", "--listen", self._place, "--connect", server]
        for fault in self._faults:
            command += ["--fault", fault]
        return command

    def _read_line(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None and process.stderr is not None
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([process.stdout], [], [], self._timeout)[0]:
                raise PyGibsonError(f"{self._executable} is silent for {self._timeout} s")
            piece = process.stdout.readline()
            if not piece:
                raise self._ended(process)
            line += piece
        return line.decode().strip()

    def _ended(self, process: subprocess.Popen[bytes]) -> PyGibsonError:
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace").strip()
        return PyGibsonError(
            f"{self._executable} ended with {process.wait()}: {said}{lacking(said)}"
        )

    def _tell(self, command: str) -> str:
        with self._turn:
            process = self.process
            if process is None or process.stdin is None:
                raise RuntimeError("the proxy does not run")
            if os.getpid() != self._owner:
                raise RuntimeError("the proxy belongs to the parent process")
            if self._unanswered:
                raise PyGibsonError(
                    f"{self._executable} has not answered an earlier command: "
                    "stop and start it to go on"
                )
            self._unanswered = True
            try:
                process.stdin.write(command.encode() + b"\n")
            except BrokenPipeError:
                raise self._ended(process) from None
            answer = self._read_line(process)
            self._unanswered = False
        if not answer.startswith("ok"):
            raise PyGibsonError(answer)
        return answer

    def fault(self, *faults: str) -> None:
        """Add faults for connections to come, and for open ones: there, bytes count from now on.

        Raises:
            PyGibsonError: there is no such fault, or there are too many.
        """
        for fault in faults:
            if not str(fault).isprintable() or len(fault) > _LONGEST:
                raise PyGibsonError(f"there is no fault {fault!r:.100}: it is a short line of text")
            self._tell(f"fault {fault}")

    def heal(self) -> None:
        """Forget all faults, and end what they do. What was cut stays cut."""
        self._tell("heal")

    def release(self) -> None:
        """Pass on what holds keep back, and end them."""
        self._tell("release")

    def drop(self) -> None:
        """Cut all connections, and wait until the server has closed them: then nothing that came
        through the proxy is still to be carried out.

        Raises:
            PyGibsonError: that took longer than 10 s.
        """
        self._tell("drop")

    def counters(self) -> dict[str, int]:
        """Return what has happened so far: accepted, open, server_open, struck, request_bytes,
        reply_bytes, kept_back."""
        pairs = (pair.partition("=") for pair in self._tell("counters").split()[1:])
        return {name: int(value) for name, _, value in pairs}
