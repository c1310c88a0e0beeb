"""Programs of others that tests talk to: a DNS server, etcd, and a way there that can be cut."""

from __future__ import annotations

import base64
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pytest
from peer import LONG
from pygibson._guard import Guard

ATTEMPTS = 20  # to find ports that nobody else takes before the program does

_Self = TypeVar("_Self", bound="Daemon")


def find(program: str, package: str) -> str:
    """The path of a program, or the end of the test where it is not installed."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: {package})")
    return found


def free_port() -> int:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        with suppress(OSError):  # taken for UDP: the program will say so
            udp.bind(("127.0.0.1", port))
        return port


class Daemon:
    """A program on ports of its own, which ends with the test, however that does."""

    ready = ""  # what it says when it serves
    taken = "address already in use"

    def __init__(self, program: str, package: str, ports: int) -> None:
        self.program = find(program, package)
        self.guard = Guard()
        self.directory = Path(self.guard.directory)
        self.ports = [free_port() for _ in range(ports)]
        self.process: subprocess.Popen[bytes] | None = None
        self._lines: list[str] = []
        self._news = threading.Condition()

    def arguments(self) -> list[str]:
        raise NotImplementedError

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self._add(line.decode(errors="replace"))
        self._add("its output has ended")

    def _add(self, line: str) -> None:
        with self._news:
            self._lines.append(line)
            self._news.notify_all()

    def await_line(self, *texts: str) -> str:
        """Wait until it has said one of them since it was started, or expect() was called."""

        def said() -> str | None:
            return next((line for line in self._lines for text in texts if text in line), None)

        with self._news:
            assert self._news.wait_for(said, LONG), "".join(self._lines)
            return said() or ""

    def expect(self) -> None:
        """Forget what it has said."""
        with self._news:
            self._lines.clear()

    def launch(self) -> bool:
        """Start it. Returns False if it has ended at once as a port is taken."""
        self.expect()
        self.process = subprocess.Popen(
            self.guard.command([self.program, *self.arguments()]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # A sanitizer that is loaded into Python is not for programs of others.
            env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
        )
        self.guard.known()
        self._drained = threading.Thread(target=self._drain, args=(self.process,), daemon=True)
        self._drained.start()
        line = self.await_line(self.ready, self.taken, "its output has ended")
        if self.ready in line:
            return True
        self.kill()
        assert any(self.taken in each for each in self._lines), "".join(self._lines)
        return False

    def start(self) -> None:
        """Start it on its ports: again, if it ran before."""
        assert self.launch()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self._drained.join()

    def __enter__(self: _Self) -> _Self:
        for _ in range(ATTEMPTS):
            if self.launch():
                return self
            self.ports = [free_port() for _ in self.ports]
        pytest.fail(f"{self.program} finds no free port")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self.guard.end()


class Dnsmasq(Daemon):
    """A DNS server for all that ends with .test, without one above it."""

    ready = "started, version"
    taken = "Address already in use"

    def __init__(self, *records: str) -> None:
        super().__init__("dnsmasq", "dnsmasq-base", 1)
        self.records = list(records)  # as options, such as --srv-host=...
        self.hosts = self.directory / "hosts"
        self.hosts.write_text("")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports[0]}"

    def arguments(self) -> list[str]:
        return [
            "--no-daemon",
            "--conf-file=/dev/null",
            f"--user={pwd.getpwuid(os.getuid()).pw_name}",
            f"--port={self.ports[0]}",
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--no-resolv",
            "--no-hosts",
            "--pid-file",
            "--local=/test/",
            "--local-ttl=1",
            f"--addn-hosts={self.hosts}",
            *self.records,
        ]

    def set_hosts(self, *lines: str) -> None:
        """Change address records, at once and without an outage: lines of /etc/hosts."""
        self.hosts.write_text("".join(f"{line}\n" for line in lines))
        self.expect()
        self.signal(signal.SIGHUP)
        # Not what it has read as it started, of which it may tell only now.
        self.await_line(f"read {self.hosts} - {len(lines)} ")

    def restart(self, *records: str) -> None:
        self.kill()
        self.records = list(records)
        self.start()


class Etcd(Daemon):
    ready = "ready to serve"

    def __init__(self, tls: bool = False) -> None:
        super().__init__("etcd", "etcd-server", 2)
        self.ssl_context: ssl.SSLContext | None = None
        if tls:  # with a certificate that etcd makes, and nobody has signed
            self.ssl_context = ssl.create_default_context()
            self.ssl_context.check_hostname = False
            self.ssl_context.verify_mode = ssl.CERT_NONE

    @property
    def url(self) -> str:
        scheme = "http" if self.ssl_context is None else "https"
        return f"{scheme}://127.0.0.1:{self.ports[0]}"

    def arguments(self) -> list[str]:
        peer = f"http://127.0.0.1:{self.ports[1]}"
        return [
            f"--data-dir={self.directory / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            *([] if self.ssl_context is None else ["--auto-tls"]),
        ]

    def post(self, path: str, **message: Any) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/v3/{path}", json.dumps(message).encode())
        with urllib.request.urlopen(request, timeout=LONG, context=self.ssl_context) as response:
            answer: dict[str, Any] = json.loads(response.read())
            return answer

    def put(self, key: str, value: str = "") -> int:
        """Returns the revision."""
        answer = self.post("kv/put", key=_base64(key), value=_base64(value))
        return int(answer["header"]["revision"])

    def delete(self, key: str) -> None:
        self.post("kv/deleterange", key=_base64(key))

    def delete_all(self) -> None:
        self.post("kv/deleterange", key=_base64("\0"), range_end=_base64("\0"))

    def forget(self) -> None:
        """Lose all data, while it does not run."""
        shutil.rmtree(self.directory / "data")

    def keys(self, prefix: str) -> dict[str, str]:
        found = self.post("kv/range", key=_base64(prefix), range_end=_base64(prefix + "\x7f"))
        return {
            base64.b64decode(pair["key"]).decode(): base64.b64decode(pair["value"]).decode()
            for pair in found.get("kvs", [])
        }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Forwarder:
    """The way to a TCP port, which can be cut, or lose all that is sent on it."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._is_cut = False
        self._is_held = False
        self.accepted = threading.Semaphore(0)  # released for each connection
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted.release()
                with self._lock:
                    if self._is_cut:
                        client.close()
                        continue
                    server = socket.create_connection(self._to)
                    self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._is_held:
                    target.sendall(data)
            if not self._is_held:
                target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Close all connections, and those to come."""
        with self._lock:
            self._is_cut = True
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._open.clear()

    def hold(self) -> None:
        """Lose what is sent on connections that there are."""
        self._is_held = True

    def restore(self) -> None:
        """Let connections to come pass."""
        with self._lock:
            self._is_cut = False
        self._is_held = False

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
