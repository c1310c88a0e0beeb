"""A peer that does what a test tells it to: for replies no good server would send."""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
import time
from concurrent.futures import Future
from typing import Callable, TypeVar

ERR, NOT_FOUND, NAN, MEM, LOCKED, OK, VAL, KVAL = range(8)
PLAIN, LZF, NUMBER = range(3)

T = TypeVar("T")

# A test never waits longer than that for something that should happen, in seconds.
LONG = 30.0


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do, and tells nobody."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def reply(code: int, data: bytes = b"\0", encoding: int = PLAIN) -> bytes:
    """A whole reply frame."""
    return struct.pack("<HBI", code, encoding, len(data)) + data


def value(data: bytes) -> bytes:
    return reply(VAL, data)


def items(*pairs: tuple[bytes, bytes]) -> bytes:
    data = struct.pack("<I", len(pairs))
    for key, item in pairs:
        data += struct.pack("<I", len(key)) + key + struct.pack("<BI", PLAIN, len(item)) + item
    return reply(KVAL, data)


# What a client asks once in a while by itself: COUNT of a prefix that no key has, and META of it.
PROBE = re.compile(rb"\x01gibson-probe-[0-9a-f]{16}( size)?")
PROBE_FRAME = re.compile(rb".\0\0\0(\x11|\x14)\0" + PROBE.pattern, re.DOTALL)


def is_probe(request: tuple[int, bytes]) -> bool:
    return request[0] in (17, 20) and bool(PROBE.fullmatch(request[1]))


def probe_answer(request: tuple[int, bytes]) -> bytes:
    return number(0) if request[0] == 17 else reply(NOT_FOUND)


def number(of: int) -> bytes:
    return reply(VAL, struct.pack("<q", of), NUMBER)


class Connection:
    """One end of a connection of the peer, which knows how to read requests."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self.end.recv(size - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def request(self) -> tuple[int, bytes]:
        """Read a request: its opcode and payload. EOFError when the client has gone.

        What the client asks by itself is answered, and is no request of the test."""
        while True:
            request = self.any_request()
            if not is_probe(request):
                return request
            self.send(probe_answer(request))

    def any_request(self) -> tuple[int, bytes]:
        """Read a request, whoever asks."""
        (size,) = struct.unpack("<I", self._read(4))
        frame = self._read(size)
        return struct.unpack("<H", frame[:2])[0], frame[2:]

    def send(self, data: bytes) -> None:
        self.end.sendall(data)

    def wait_for_end(self) -> None:
        """Wait until the client closes the connection."""
        try:
            while self.end.recv(4096):
                pass
        except ConnectionResetError:
            pass


Script = Callable[[Connection], None]


class Peer:
    """Listens on a unix socket, and runs a script for each connection: the first for the first, and
    so on; the last one for all that follow."""

    def __init__(self, path: str, *scripts: Script) -> None:
        self.path = path
        self.connections = 0
        self._scripts = scripts
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(16)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._ends: list[socket.socket] = []
        self._failures: list[BaseException] = []
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                end, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._ends.append(end)
            thread = threading.Thread(target=self._run, args=(script, end), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, script: Script, end: socket.socket) -> None:
        try:
            script(Connection(end))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass
        except BaseException as error:  # reported by the thread of the test
            self._failures.append(error)
        finally:
            end.close()

    def close(self) -> None:
        """End all threads, and raise what a script raised."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(LONG)  # what has connected may not have been accepted yet
        for end in self._ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(LONG)
            assert not thread.is_alive(), "a script of the peer does not end"
        os.unlink(self.path)
        if self._failures:
            raise self._failures[0]


def echo_keys(connection: Connection) -> None:
    """A script: answer each request with its payload as the value."""
    while True:
        connection.send(value(connection.request()[1]))


class Held:
    """A script: answer the first request only when told to, all with their payloads as values."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answer = threading.Event()

    def __call__(self, connection: Connection) -> None:
        _, key = connection.request()
        self.asked.set()
        assert self.answer.wait(LONG)
        connection.send(value(key))
        echo_keys(connection)


def slowly(connection: Connection) -> None:
    """A script: answer each request with its payload, a tenth of a second later."""
    pause = threading.Event()
    while True:
        _, key = connection.request()
        pause.wait(0.1)
        connection.send(value(key))


def in_background(call: Callable[..., T], *arguments: object) -> Future[T]:
    """Run a call in a thread that does not keep the tests from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def silence(connection: Connection) -> None:
    """A script: answer nothing."""
    connection.wait_for_end()
