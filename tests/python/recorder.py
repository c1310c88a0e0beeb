"""A peer that passes everything on to a server and back, and notes each byte of the requests."""

from __future__ import annotations

import os
import select
import socket
import threading

from peer import LONG, PROBE_FRAME
from pygibson import Server


class Recording:
    """A connection that a client has made."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.sent = bytearray()  # by the client; noted before the server can have it
        self._ends = (client, server)
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def _pass_on(self) -> None:
        client, server = self._ends
        try:
            while True:
                for end in select.select(self._ends, (), ())[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is client:
                        self.sent += data
                    (server if end is client else client).sendall(data)
        except OSError:
            pass
        finally:
            client.close()
            server.close()

    def requests(self) -> bytes:
        """What was sent but for what the client asks by itself, which the server has answered."""
        return PROBE_FRAME.sub(b"", self.sent)

    def cut(self) -> None:
        """End the connection on both sides."""
        for end in self._ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.wait_for_end()

    def wait_for_end(self) -> None:
        self._thread.join(LONG)
        assert not self._thread.is_alive()


class Recorder:
    def __init__(self, path: str, server: Server) -> None:
        self.path = path
        self._server = server
        self._made: list[Recording] = []
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server.unix_socket or "")
            with self._changed:
                self._made.append(Recording(client, server))
                self._changed.notify_all()

    def recording(self, index: int) -> Recording:
        """Return that of the connection with this number, from 0, when it has been accepted."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._made) > index, LONG)
            return self._made[index]

    def count(self) -> int:
        """Return how many connections have been made. The listener is closed by that."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(LONG)
        self._listener.close()
        os.unlink(self.path)
        return len(self._made)
