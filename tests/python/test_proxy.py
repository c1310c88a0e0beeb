"""The Proxy, and its fixture."""

from __future__ import annotations

import os
import signal
import time

import pytest
from peer import LONG, in_background
from pygibson import (
    Client,
    ConnectionLostError,
    NotFoundError,
    Proxy,
    PyGibsonError,
    Server,
    ServerTimeoutError,
)
from pygibson.proxy import find_proxy

PATIENT = 20_000


def test_without_faults_it_is_not_noticed(server: Server) -> None:
    for port in (None, 0):
        with Proxy(server, port=port) as proxy, proxy.client(timeout=PATIENT) as client:
            client.ping()
            assert proxy.counters()["accepted"] == 1
            assert proxy.counters()["request_bytes"] == 6
            assert (proxy.port is None) == (port is None)
            assert "running" in repr(proxy)
        assert "not running" in repr(proxy)


def test_faults_from_the_start(unix_server: Server) -> None:
    with Proxy(unix_server, "1/reply:cut@7") as proxy:
        with pytest.raises(ConnectionLostError):
            proxy.client(timeout=PATIENT).ping()
        proxy.client(timeout=PATIENT).ping()
        assert proxy.counters()["struck"] == 1


def test_the_fixture_holds_a_reply_and_releases_it_late(gibson_proxy: Proxy) -> None:
    client = gibson_proxy.client(timeout=PATIENT)
    client.set("first", "1")
    gibson_proxy.fault("reply:hold")
    client.timeout = 50
    with pytest.raises(ServerTimeoutError):
        client.get("first")
    assert gibson_proxy.counters()["kept_back"] == 8
    gibson_proxy.release()
    gibson_proxy.heal()
    client.connect()
    client.timeout = PATIENT
    with pytest.raises(NotFoundError):
        client.get("second")


def test_delay_and_drop(gibson_proxy: Proxy) -> None:
    gibson_proxy.fault("request:delay=60")
    client = gibson_proxy.client(timeout=PATIENT)
    begin = time.monotonic()
    client.ping()
    assert time.monotonic() - begin >= 0.06
    gibson_proxy.drop()
    assert gibson_proxy.counters()["server_open"] == 0
    with pytest.raises(ConnectionLostError):
        client.ping()


def test_the_address_of_a_server_that_is_not_there() -> None:
    with Proxy("127.0.0.1:1") as proxy, pytest.raises(ConnectionLostError):
        proxy.client(timeout=PATIENT).ping()


def test_what_is_wrong_is_said(unix_server: Server) -> None:
    with pytest.raises(PyGibsonError, match="there is no fault of that name"):
        Proxy(unix_server, "reply:cat").start()
    with pytest.raises(PyGibsonError, match='address "nowhere"'):
        Proxy("nowhere").start()
    with Proxy(unix_server) as proxy:
        with pytest.raises(PyGibsonError, match="the time is a number of milliseconds"):
            proxy.fault("reply:delay=x")
        with pytest.raises(RuntimeError, match="runs already"):
            proxy.start()
        proxy.client(timeout=PATIENT).ping()
    with pytest.raises(RuntimeError, match="does not run"):
        proxy.heal()


ODD = {
    "newline": "reply:cut@7\n",
    "two commands": "reply:cut@7\nheal",
    "NUL": "reply:cut\0",
    "surrogate": "reply:\udc80",
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("fault", ODD.values(), ids=ODD)
def test_a_fault_is_one_command(gibson_proxy: Proxy, fault: str) -> None:
    with pytest.raises(PyGibsonError):
        gibson_proxy.fault(fault)
    assert gibson_proxy.counters()["struck"] == 0
    with pytest.raises(PyGibsonError, match="no fault of that name"):
        gibson_proxy.fault("reply:cat")
    gibson_proxy.client(timeout=PATIENT).ping()


def test_an_answer_that_comes_late_is_not_that_of_the_next_command(unix_server: Server) -> None:
    with Proxy(unix_server) as proxy:
        assert proxy.process is not None
        patience, proxy._timeout = proxy._timeout, 0.05
        os.kill(proxy.process.pid, signal.SIGSTOP)
        with pytest.raises(PyGibsonError, match="is silent for"):
            proxy.counters()
        os.kill(proxy.process.pid, signal.SIGCONT)
        proxy._timeout = patience
        with pytest.raises(PyGibsonError, match="has not answered an earlier command"):
            proxy.fault("reply:cat")
        proxy.stop()
        proxy.start()
        assert proxy.counters()["accepted"] == 0


def test_a_command_that_was_interrupted_is_not_answered_to_the_next(unix_server: Server) -> None:
    class Interruption(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        with pytest.raises(PyGibsonError, match="has not answered"):
            proxy.heal()
        raise Interruption

    with Proxy(unix_server) as proxy:
        assert proxy.process is not None
        os.kill(proxy.process.pid, signal.SIGSTOP)
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            with pytest.raises(Interruption):
                proxy.counters()
        finally:
            signal.signal(signal.SIGALRM, before)
            os.kill(proxy.process.pid, signal.SIGCONT)
        with pytest.raises(PyGibsonError, match="has not answered"):
            proxy.fault("reply:cat")


def test_threads_share_it(unix_server: Server) -> None:
    def count() -> bool:
        return all(len(proxy.counters()) == 7 for _ in range(100))

    def refuse() -> bool:
        for _ in range(100):
            with pytest.raises(PyGibsonError, match="no fault of that name"):
                proxy.fault("reply:cat")
        return True

    with Proxy(unix_server) as proxy:
        running = [in_background(each) for each in (count, refuse, count, refuse)]
        assert [each.result(LONG) for each in running] == [True] * 4


def test_a_child_of_fork_cannot_command_it(gibson_proxy: Proxy) -> None:
    """Else the two would take each other's answers."""
    child = os.fork()
    if child == 0:
        try:
            gibson_proxy.counters()
        except RuntimeError as error:
            os._exit(0 if "parent process" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert gibson_proxy.counters()


def test_one_that_was_killed_is_started_again(unix_server: Server) -> None:
    with Proxy(unix_server) as proxy:
        assert proxy.process is not None
        proxy.process.kill()
        proxy.process.wait(LONG)
        with pytest.raises(PyGibsonError, match="ended with -9"):
            proxy.counters()
        assert proxy.stop() == -9
        proxy.start()
        proxy.client(timeout=PATIENT).ping()


def test_it_ends_with_its_process_and_its_socket(unix_server: Server) -> None:
    proxy = Proxy(unix_server)
    assert proxy.stop() is None
    proxy.start()
    client = Client(**proxy.address, timeout=PATIENT)
    path = proxy.unix_socket
    assert path is not None
    assert os.path.exists(path)
    assert proxy.stop() == 0
    assert not os.path.exists(path)
    with pytest.raises(ConnectionLostError):
        client.ping()
    with proxy:  # again
        proxy.client(timeout=PATIENT).ping()


def test_find_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    assert os.access(find_proxy(), os.X_OK)
    monkeypatch.setenv("GIBSON_PROXY", "/somewhere/else")
    assert find_proxy() == "/somewhere/else"
