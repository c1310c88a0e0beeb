"""Fork: the child never touches the connection of its parent."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
import warnings
from concurrent.futures import Future
from typing import Callable

import pytest
from peer import LONG, Connection, Held, Peer, echo_keys, in_background, value
from pygibson import Client, ConnectionLostError, Server


def in_child(call: Callable[[], object]) -> None:
    """Run a call in a forked child, and fail with its traceback if it fails there."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads is what we test
        child = os.fork()
    if child == 0:
        try:
            call()
            os.write(writing, b"ok")
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writing)
    said = b""
    killer = threading.Timer(LONG, os.kill, (child, signal.SIGKILL))
    killer.start()
    try:
        while chunk := os.read(reading, 65536):
            said += chunk
        os.waitpid(child, 0)
    finally:
        killer.cancel()
        os.close(reading)
    assert said.decode() == "ok"


def wait_for_exit(pid: int) -> int:
    """The status of a child that ends soon."""
    end = time.monotonic() + LONG
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_child_gets_a_clear_error(client: Client, prefix: str) -> None:
    client.set(prefix, "parent")

    def child() -> None:
        assert not client.connected
        assert "not connected" in repr(client)
        with pytest.raises(ConnectionLostError, match="parent process"):
            client.set(prefix, "child")
        with pytest.raises(ConnectionLostError):
            client.pipeline().set(prefix, "child").execute()

    in_child(child)
    assert client.connected
    assert client.get(prefix) == b"parent"


def test_the_child_reconnects(server: Server, prefix: str) -> None:
    with server.client(timeout=30_000, reconnect=True) as client:
        client.set(prefix, "parent")
        before = client.stats()["total_connections"]

        def child() -> None:
            assert client.get(prefix) == b"parent"
            client.set(prefix, "child")
            client.close()

        in_child(child)
        assert client.get(prefix) == b"child"
        assert client.stats()["total_connections"] == before + 1  # type: ignore[operator]


@pytest.mark.parametrize("method", ["close", "quit", "connect"])
def test_what_the_child_does_leaves_the_parent_alone(
    client: Client, prefix: str, method: str
) -> None:
    client.set(prefix, "parent")

    def child() -> None:
        getattr(client, method)()
        if method == "connect":
            assert client.get(prefix) == b"parent"

    in_child(child)
    assert client.get(prefix) == b"parent"


def test_deallocation_in_the_child_leaves_the_parent_alone(server: Server, prefix: str) -> None:
    clients = [server.client(timeout=30_000)]

    def child() -> None:
        clients.clear()

    in_child(child)
    clients[0].set(prefix, "parent")
    assert clients[0].get(prefix) == b"parent"


@pytest.mark.parametrize("reconnect", [False, True])
@pytest.mark.parametrize("in_thread", [False, True])
def test_fork_while_another_thread_is_in_a_call(
    peer: Callable[..., Peer], reconnect: bool, in_thread: bool
) -> None:
    """That thread is not in the child, and its turn would never end there: neither for the one that
    has forked, nor for a new one, which may have the identifier of the one that is gone."""
    script = Held()
    client = Client(unix_socket=peer(script, echo_keys).path, timeout=30_000, reconnect=reconnect)
    first = in_background(client.get, "first")
    assert script.asked.wait(LONG)

    def child() -> None:
        assert not client.connected
        if reconnect:
            assert client.get("child") == b"child"
            assert client.pipeline().get("a").execute() == [b"a"]
        else:
            for _ in range(2):
                with pytest.raises(ConnectionLostError, match="parent process"):
                    client.get("child")
            client.connect()
            assert client.get("child") == b"child"
        client.close()

    in_child(lambda: in_background(child).result(LONG) if in_thread else child())
    script.answer.set()
    assert first.result(LONG) == b"first"
    assert client.get("parent") == b"parent"


def test_fork_under_load(unix_server: Server, prefix: str) -> None:
    """Threads share two clients while the process forks and forks."""
    end = threading.Event()
    failures: list[BaseException] = []
    clients = [unix_server.client(timeout=30_000, reconnect=True) for _ in range(2)]

    def use(name: str, client: Client) -> None:
        number = 0
        try:
            while not end.is_set():
                number += 1
                client.set(prefix + name, f"{number}")
                assert client.get(prefix + name) == b"%d" % number
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=use, args=(name, client), daemon=True)
        for name, client in zip("abcd", clients * 2)
    ]
    for thread in threads:
        thread.start()

    def child() -> None:
        for client in clients:
            for number in range(20):
                client.set(f"{prefix}child", f"{number}")
                assert client.get(f"{prefix}child") == b"%d" % number

    try:
        for _ in range(20):
            in_child(child)
    finally:
        end.set()
        for thread in threads:
            thread.join(LONG)
    assert not any(thread.is_alive() for thread in threads)
    assert not failures


def get_and_fork_within(client: Client, key: str, in_parent: Callable[[], None]) -> object:
    """Get a key, with a handler of SIGALRM that forks and then runs a call in the parent.

    Returns the value, once the child is known to have got its error."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signal handlers run in the main thread")
    children: list[int] = []

    def handler(number: int, frame: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            children.append(os.fork())
        if children[0]:
            in_parent()

    before = signal.signal(signal.SIGALRM, handler)
    parent = os.getpid()
    outcome: object = None
    try:
        outcome = client.get(key)
    except ConnectionLostError as error:
        outcome = error
    finally:
        if os.getpid() != parent:
            try:
                outcome = f"{outcome!r} / {client.get(key)!r}"
            except ConnectionLostError as error:
                outcome = f"{outcome!r} / {error}"
            os._exit(0 if str(outcome).count("parent process") == 2 else 1)
        signal.signal(signal.SIGALRM, before)
    assert wait_for_exit(children[0]) == 0
    return outcome


def test_a_handler_that_forks_within_a_wait(peer: Callable[..., Peer]) -> None:
    """The child comes back from the handler into the call, which must not go on there."""
    forked = threading.Event()

    def script(connection: Connection) -> None:
        connection.request()
        os.kill(os.getpid(), signal.SIGALRM)
        assert forked.wait(LONG)
        connection.send(value(b"first"))
        echo_keys(connection)

    client = Client(unix_socket=peer(script).path, timeout=60_000)
    assert get_and_fork_within(client, "first", forked.set) == b"first"
    assert client.get("second") == b"second"


def test_a_handler_that_forks_within_the_wait_for_a_turn(peer: Callable[..., Peer]) -> None:
    """The turn that the child waits for is that of a thread which it does not have."""
    script = Held()
    client = Client(unix_socket=peer(script).path, timeout=60_000)
    first = in_background(client.get, "first")
    assert script.asked.wait(LONG)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGALRM))
    timer.start()
    assert get_and_fork_within(client, "second", script.answer.set) == b"second"
    assert first.result(LONG) == b"first"
    timer.join()


@pytest.mark.parametrize("reconnect", [False, True])
def test_threads_of_a_child_that_was_forked_within_a_call(
    peer: Callable[..., Peer], reconnect: bool
) -> None:
    """In the child the call has still to end, and until then a new thread has to wait for it; those
    that waited in the parent are not there."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signal handlers run in the main thread")
    script = Held()
    client = Client(unix_socket=peer(script, echo_keys).path, timeout=60_000, reconnect=reconnect)
    results: list[Future[object]] = []
    children: list[int] = []

    def outcome(key: str) -> object:
        try:
            return client.get(key)
        except ConnectionLostError as error:
            return "parent process" in str(error)

    def handler(number: int, frame: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            children.append(os.fork())
        if children[0] == 0:
            results.append(in_background(outcome, "thread"))

    def fork_when_one_waits() -> None:
        assert script.asked.wait(LONG)
        results.append(in_background(outcome, "waiting"))
        time.sleep(0.1)  # it cannot be seen from here that it waits
        os.kill(os.getpid(), signal.SIGALRM)
        while not children:
            time.sleep(0.01)
        script.answer.set()

    before = signal.signal(signal.SIGALRM, handler)
    parent = os.getpid()
    forking = in_background(fork_when_one_waits)
    try:
        first = outcome("first")
        if os.getpid() != parent:
            thread = results[-1].result(LONG)
            wanted = b"thread" if reconnect else True
            if first is not True or thread != wanted:
                os.write(2, f"{first!r} {thread!r}\n".encode())
            os._exit(0 if first is True and thread == wanted else 1)
    finally:
        if os.getpid() != parent:
            os._exit(2)
        signal.signal(signal.SIGALRM, before)
    forking.result(LONG)
    assert first == b"first"
    assert results[0].result(LONG) == b"waiting"
    assert wait_for_exit(children[0]) == 0


def test_many_generations(unix_server: Server, prefix: str) -> None:
    with unix_server.client(timeout=30_000, reconnect=True) as client:

        def grandchild() -> None:
            client.set(prefix, "grandchild")

        def child() -> None:
            client.set(prefix, "child")
            in_child(grandchild)
            assert client.get(prefix) == b"grandchild"

        in_child(child)
        assert client.get(prefix) == b"grandchild"
