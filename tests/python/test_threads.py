"""Threads: the GIL is free during a wait, and a shared Client serves one thread at a time."""

from __future__ import annotations

import gc
import re
import sys
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Callable

import pytest
from peer import LONG, Connection, Held, Peer, in_background, silence, slowly, value
from pygibson import (
    Client,
    ConnectionLostError,
    PyGibsonError,
    Server,
    ServerTimeoutError,
    UsageError,
)


def run_all(*calls: Callable[[], None]) -> None:
    """Run calls in threads of their own, and raise what one of them raised."""
    failures: list[BaseException] = []

    def guarded(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 2 * LONG
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
        assert not thread.is_alive(), "a thread hangs"
    if failures:
        raise failures[0]


@pytest.mark.parametrize("call", ["get", "pipeline", "mget"])
def test_another_thread_runs_during_a_wait(peer: Callable[..., Peer], call: str) -> None:
    """The answer comes only after this process has run Python code in another thread."""
    ran = threading.Event()

    def script(connection: Connection) -> None:
        connection.request()
        thread = threading.Thread(target=ran.set)
        thread.start()
        assert ran.wait(LONG)
        thread.join()
        connection.send(value(b"v") if call != "mget" else b"\7\0\0\4\0\0\0\0\0\0\0")
        connection.wait_for_end()

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    if call == "get":
        assert client.get("key") == b"v"
    elif call == "mget":
        assert client.mget("key") == {}
    else:
        assert client.pipeline().get("key").execute() == [b"v"]


def test_another_thread_runs_while_it_connects(short_path: Callable[[], str]) -> None:
    """Only the accept of the other thread ends the wait, as the backlog is full."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        accepted = []

        def accept() -> None:
            try:
                while True:
                    accepted.append(listener.accept()[0])
            except OSError:
                pass  # the listener was shut down

        thread = threading.Thread(target=accept, daemon=True)
        timer = threading.Timer(0.2, thread.start)
        timer.start()
        client = Client("127.0.0.1", port, connect_timeout=30_000)
        assert client.connected
        client.close()
        for each in fillers:
            each.close()
        timer.join()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(LONG)
        for each in accepted:
            each.close()


def test_a_shared_client_gives_each_thread_its_own_values(client: Client, prefix: str) -> None:
    def use(name: str) -> Callable[[], None]:
        def run() -> None:
            for number in range(300):
                key = f"{prefix}{name}.{number % 7}"
                client.set(key, f"{name} {number}")
                assert client.get(key) == f"{name} {number}".encode()
                if number % 50 == 0:
                    batch = client.pipeline().get(key).count(f"{prefix}{name}.").mget(key)
                    expected = f"{name} {number}".encode()
                    assert batch.execute() == [expected, min(number + 1, 7), {key: expected}]

        return run

    run_all(*(use(name) for name in "abcdefgh"))


def test_clients_of_threads_share_nothing(server: Server, prefix: str) -> None:
    def use(name: str) -> Callable[[], None]:
        def run() -> None:
            with server.client(timeout=30_000) as own:
                for number in range(300):
                    own.set(prefix + name, f"{number}")
                    assert own.get(prefix + name) == b"%d" % number

        return run

    run_all(*(use(name) for name in "abcd"))


def test_counting_in_threads_loses_nothing(client: Client, prefix: str) -> None:
    seen: list[int] = []

    def count() -> None:
        for _ in range(500):
            seen.append(client.inc(prefix))

    run_all(*[count] * 6)
    assert sorted(seen) == list(range(1, 3001))


def test_waiting_for_a_turn_counts_towards_the_timeout(peer: Callable[..., Peer]) -> None:
    """Both give up when the first one's time is over, the second one not later."""
    script = Held()
    client = Client(unix_socket=peer(script).path, timeout=400)
    first = in_background(client.get, "first")
    assert script.asked.wait(LONG)
    start = time.monotonic()
    with pytest.raises((ServerTimeoutError, ConnectionLostError)):
        client.get("second")
    assert time.monotonic() - start < 0.7
    with pytest.raises(ServerTimeoutError):
        first.result(LONG)
    script.answer.set()


def test_without_a_timeout_a_turn_is_waited_for(peer: Callable[..., Peer]) -> None:
    script = Held()
    client = Client(unix_socket=peer(script).path, timeout=None)
    first = in_background(client.get, "first")
    assert script.asked.wait(LONG)
    assert client.connected
    assert "connected" in repr(client)
    second = in_background(client.get, "second")
    with pytest.raises(FutureTimeoutError):
        second.result(0.2)
    script.answer.set()
    assert first.result(LONG) == b"first"
    assert second.result(LONG) == b"second"


def test_the_wait_for_a_turn_ends_at_the_timeout(peer: Callable[..., Peer]) -> None:
    """A batch may take longer than the timeout, as each of its replies has it."""
    client = Client(unix_socket=peer(slowly).path, timeout=500)
    batch = client.pipeline()
    for number in range(12):
        batch.get(f"{number}")
    executed = in_background(batch.execute)
    start = time.monotonic()
    with pytest.raises(ServerTimeoutError, match="other threads used this Client") as caught:
        while True:  # until the batch has begun
            client.get("second")
    assert (caught.value.command, caught.value.key) == ("get", "second")
    assert caught.value.server == client.server
    assert time.monotonic() - start < 5
    assert executed.result(LONG) == [b"%d" % number for number in range(12)]
    assert client.get("third") == b"third"


def test_what_is_left_of_the_timeout_is_for_the_operation(peer: Callable[..., Peer]) -> None:
    answer = threading.Event()
    asked = threading.Event()

    def script(connection: Connection) -> None:
        _, key = connection.request()
        asked.set()
        assert answer.wait(LONG)
        connection.send(value(key))
        silence(connection)

    client = Client(unix_socket=peer(script).path, timeout=1000)
    first = in_background(client.get, "first")
    assert asked.wait(LONG)
    timer = threading.Timer(0.6, answer.set)
    start = time.monotonic()
    timer.start()
    with pytest.raises(ServerTimeoutError) as caught:
        client.get("second")
    assert 0.9 < time.monotonic() - start < 1.5
    told = "; other threads had used this Client for [5-9]\\d\\d of its 1000 ms$"
    assert re.search(told, str(caught.value))
    assert first.result(LONG) == b"first"
    timer.join()


def test_turns_are_taken_in_the_order_of_asking(peer: Callable[..., Peer]) -> None:
    """Also where the wait is long."""
    script = Held()
    client = Client(unix_socket=peer(script).path, timeout=None)
    asked: list[str] = []
    served: list[str] = []

    def use(key: str) -> None:
        asked.append(key)
        client.get(key)
        served.append(key)

    running = [in_background(use, "0")]
    assert script.asked.wait(LONG)
    for number in range(1, 8):
        running.append(in_background(use, str(number)))
        time.sleep(0.08)  # there is no event of a thread that waits
    script.answer.set()
    for each in running:
        each.result(LONG)
    assert served == asked == [str(number) for number in range(8)]


def test_close_waits_for_the_other_thread(peer: Callable[..., Peer]) -> None:
    script = Held()
    client = Client(unix_socket=peer(script).path, timeout=30_000)
    first = in_background(client.get, "first")
    assert script.asked.wait(LONG)
    closed = in_background(client.close)
    with pytest.raises(FutureTimeoutError):
        closed.result(0.1)
    script.answer.set()
    assert first.result(LONG) == b"first"
    closed.result(LONG)
    assert not client.connected


def test_closing_in_the_middle_of_the_work_of_others(client: Client, prefix: str) -> None:
    def use() -> None:
        for _ in range(1000):
            try:
                client.set(prefix, "v")
                client.pipeline().get(prefix).execute()
            except ConnectionLostError:
                pass

    def disturb() -> None:
        for _ in range(200):
            client.close()
            client.connect()

    run_all(use, use, disturb)
    client.set(prefix, "v")
    assert client.get(prefix) == b"v"


def test_finalisers_that_use_the_client(unix_client: Client, prefix: str) -> None:
    """They run at any allocation, also inside a call: they may fail there, but never hang."""
    outcomes: set[type] = set()

    class Circle:
        def __init__(self) -> None:
            self.circle = self

        def __del__(self) -> None:
            try:
                unix_client.count(prefix)
                outcomes.add(int)
            except UsageError:
                outcomes.add(UsageError)

    with unix_client.pipeline() as batch:
        for number in range(100):
            batch.set(f"{prefix}{number}", "v")
    before = gc.get_threshold()
    gc.set_threshold(1)

    def use() -> None:
        for _ in range(50):
            Circle()
            assert len(unix_client.mget(prefix)) == 100
            assert len(unix_client.keys(prefix)) == 100
            unix_client.pipeline().mget(prefix).keys(prefix).get(prefix + "1").execute()
            with pytest.raises(PyGibsonError):
                unix_client.get(prefix)
            gc.collect()

    try:
        run_all(use, use)
    finally:
        gc.set_threshold(*before)
    assert outcomes <= {int, UsageError}
    assert int in outcomes


def test_deallocation_while_others_wait(peer: Callable[..., Peer]) -> None:
    """A Client goes without asking for its turn, whatever other threads do."""
    started = peer(silence)

    def use() -> None:
        for _ in range(20):
            with pytest.raises(ServerTimeoutError):
                Client(unix_socket=started.path, timeout=5).get("key")
            gc.collect()

    run_all(use, use, use)


def test_a_busy_thread_does_not_keep_a_batch_waiting(unix_server: Server, prefix: str) -> None:
    """A batch takes the GIL once, not for each of its replies."""
    end = threading.Event()

    def spin() -> None:
        while not end.is_set():
            sum(range(1000))

    thread = threading.Thread(target=spin, daemon=True)
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.05)
    thread.start()
    try:
        with unix_server.client(timeout=30_000) as client:
            batch = client.pipeline()
            for _ in range(1000):
                batch.inc(prefix)
            start = time.monotonic()
            assert batch.execute() == list(range(1, 1001))
            assert time.monotonic() - start < 10  # 50 s if each took the GIL
    finally:
        end.set()
        thread.join(LONG)
        sys.setswitchinterval(before)


def test_every_thread_gets_its_turn(unix_server: Server, prefix: str) -> None:
    """Threads that do nothing but use the Client do not shut out another one."""
    end = threading.Event()
    with unix_server.client(timeout=30_000) as client:

        def use() -> None:
            while not end.is_set():
                client.count(prefix)

        def take_turns() -> None:
            try:
                start = time.monotonic()
                for _ in range(100):
                    client.count(prefix)
                assert time.monotonic() - start < 20
            finally:
                end.set()

        run_all(use, use, use, take_turns)
