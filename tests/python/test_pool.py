"""Pool: what it has beyond a Client. What it shares with that is in the files of tests for all."""

from __future__ import annotations

import gc
import inspect
import os
import re
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pygibson
import pytest
from peer import LONG, Connection, Held, Peer, echo_keys, in_background, silence, until, value
from pygibson import (
    Client,
    ConnectionLostError,
    InvalidArgumentError,
    Pool,
    Proxy,
    PyGibsonError,
    Server,
    ServerTimeoutError,
    UnreachableError,
    UsageError,
)
from test_fork import in_child
from test_signals import Interruption

PATIENT = 30_000


def documented(kind: type) -> list[str]:
    """The options that its docstring has, in order."""
    return re.findall(r"^    (\w+) \(", kind.__doc__ or "", re.MULTILINE)


OPTIONS = [name for name in documented(Pool) if name not in documented(Client)]


def adds_up(pool: Pool) -> bool:
    """Every connection that was made is idle, in use, or was dropped for one reason."""
    stats = pool.pool_stats()
    dropped = sum(number for name, number in stats.items() if name.startswith("dropped_"))
    return stats["made"] == dropped + stats["idle"] + stats["in_use"] - stats["connecting"]


@pytest.fixture
def pool(unix_server: Server) -> Iterator[Pool]:
    with Pool(unix_socket=unix_server.unix_socket, timeout=PATIENT) as made:
        yield made
    assert adds_up(made)


def test_it_connects_at_once(unix_server: Server, short_path: Callable[[], str]) -> None:
    pool = Pool(unix_socket=unix_server.unix_socket)
    assert pool.connected
    assert pool.pool_stats()["made"] == 1
    assert pool.server == f"unix:{unix_server.unix_socket}"
    with pytest.raises(UnreachableError, match="on unix:/"):
        Pool(unix_socket=short_path())


def test_threads_use_connections_of_their_own(peer: Callable[..., Peer]) -> None:
    helds = [Held() for _ in range(3)]
    listening = peer(*helds, echo_keys)
    pool = Pool(unix_socket=listening.path, timeout=PATIENT, max_connections=3)
    calls = [in_background(pool.get, f"key{number}") for number in range(3)]
    for held in helds:
        assert held.asked.wait(LONG)
    assert pool.pool_stats()["in_use"] == 3
    late = in_background(pool.get, "late")
    until(lambda: pool.pool_stats()["waiting"] == 1)
    assert listening.connections == 3
    helds[1].answer.set()
    assert late.result(LONG) == b"late"
    for held in helds:
        held.answer.set()
    assert [call.result(LONG) for call in calls] == [b"key0", b"key1", b"key2"]
    assert pool.pool_stats()["idle"] == 3
    assert pool.pool_stats()["waited"] == 1
    assert adds_up(pool)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"timeout": 40}, "timeout of 40 ms"),
        ({"timeout": PATIENT, "acquire_timeout": 40}, "acquire_timeout of 40 ms"),
    ],
)
@pytest.mark.parametrize("call", ["get", "pipeline"])
def test_the_message_tells_which_time_was_over(
    peer: Callable[..., Peer], options: dict[str, Any], expected: str, call: str
) -> None:
    held = Held()
    pool = Pool(unix_socket=peer(held).path, max_connections=1, **options)
    timeout, pool.timeout = pool.timeout, None
    first = in_background(pool.get, "first")
    assert held.asked.wait(LONG)
    pool.timeout = timeout
    wait = pool.get if call == "get" else lambda key: pool.pipeline().get(key).execute()
    with pytest.raises(ServerTimeoutError, match="1 in use") as raised:
        wait("second")
    assert expected in str(raised.value) or call == "pipeline"
    held.answer.set()
    assert first.result(LONG) == b"first"
    assert pool.pool_stats()["timeouts"] == 1


def test_waiting_leaves_less_time_for_the_operation(peer: Callable[..., Peer]) -> None:
    held = Held()

    def answer_one(connection: Connection) -> None:
        held.asked.set()
        assert connection.request()[1] == b"first"
        assert held.answer.wait(LONG)
        connection.send(value(b"first"))
        connection.wait_for_end()

    pool = Pool(unix_socket=peer(answer_one).path, max_connections=1, timeout=PATIENT)
    first = in_background(pool.get, "first")
    assert held.asked.wait(LONG)
    pool.timeout = 400
    second = in_background(pool.get, "second")
    until(lambda: pool.pool_stats()["waiting"] == 1)
    held.answer.set()
    assert first.result(LONG) == b"first"
    with pytest.raises(ServerTimeoutError, match="timeout of 400 ms"):
        second.result(LONG)


def test_a_broken_connection_is_not_used_again(peer: Callable[..., Peer]) -> None:
    def malformed(connection: Connection) -> None:
        connection.request()
        connection.send(b"\xff" * 7)
        connection.wait_for_end()

    pool = Pool(unix_socket=peer(malformed, silence, echo_keys).path, timeout=PATIENT)
    with pytest.raises(pygibson.ProtocolError):
        pool.get("first")
    assert not pool.connected
    pool.timeout = 20
    with pytest.raises(ServerTimeoutError):
        pool.get("second")
    pool.timeout = PATIENT
    assert pool.get("third") == b"third"
    assert pool.pool_stats()["dropped_broken"] == 2
    assert adds_up(pool)


def test_a_server_that_was_restarted_between_operations_is_not_noticed() -> None:
    with Server() as server:
        pool = Pool(unix_socket=server.unix_socket, timeout=PATIENT)
        pool.set("key", "value")
        server.stop()
        server.start()
        pool.set("key", "new")
        assert pool.get("key") == b"new"
        server.stop()
        with pytest.raises(UnreachableError):
            pool.get("key")
        assert not pool.connected
        server.start()
        until(lambda: works(pool))
        assert adds_up(pool)


def works(pool: Pool) -> bool:
    """While it waits to connect again, operations fail at once."""
    try:
        pool.ping()
    except UnreachableError:
        return False
    return True


def test_close_wakes_who_waits(peer: Callable[..., Peer]) -> None:
    held = Held()
    pool = Pool(unix_socket=peer(held).path, timeout=PATIENT, max_connections=1)
    first = in_background(pool.get, "first")
    assert held.asked.wait(LONG)
    second = in_background(pool.get, "second")
    until(lambda: pool.pool_stats()["waiting"] == 1)
    pool.close()
    with pytest.raises(ConnectionLostError, match="the pool is closed"):
        second.result(LONG)
    held.answer.set()
    assert first.result(LONG) == b"first"
    assert "closed" in repr(pool)
    for call in (pool.ping, pool.connect, lambda: pool.pipeline().ping().execute()):
        with pytest.raises(ConnectionLostError, match="the pool is closed"):
            call()
    pool.close()
    pool.clear()
    assert pool.pool_stats()["idle"] == 0


def test_quit_closes(unix_server: Server) -> None:
    pool = Pool(unix_socket=unix_server.unix_socket)
    pool.quit()
    with pytest.raises(ConnectionLostError, match="the pool is closed"):
        pool.ping()


def test_clear_and_connect_make_new_connections(pool: Pool) -> None:
    pool.clear()
    assert not pool.connected
    pool.connect()
    assert pool.connected
    pool.connect()
    stats = pool.pool_stats()
    assert (stats["made"], stats["idle"], stats["dropped_cleared"]) == (3, 1, 2)


def test_a_pipeline_runs_on_one_connection(pool: Pool, prefix: str) -> None:
    batch = pool.pipeline()
    for number in range(500):
        batch.set(f"{prefix}{number}", str(number)).get(f"{prefix}{number}")
    results = batch.execute()
    assert results[1::2] == [str(number).encode() for number in range(500)]
    assert pool.pool_stats()["made"] == 1
    assert pygibson.Pipeline(pool).ping().execute() == [None]


def test_pipelines_keep_the_timeout_of_the_pool(peer: Callable[..., Peer]) -> None:
    pool = Pool(unix_socket=peer(silence, echo_keys).path, timeout=PATIENT)
    pool.timeout = 30
    with pytest.raises(ServerTimeoutError, match="30 ms"):
        pool.pipeline().get("key").execute()
    pool.timeout = None
    assert pool.timeout is None
    assert pool.pipeline().get("key").execute() == [b"key"]


def test_a_pipeline_is_of_a_client_a_pool_or_a_cluster() -> None:
    made: Any = pygibson.Pipeline
    with pytest.raises(TypeError, match="must be Client, Pool or Cluster, not int"):
        made(1)


def has_dropped(pool: Pool, reason: str) -> bool:
    time.sleep(0.002)
    pool.ping()
    return pool.pool_stats()[f"dropped_{reason}"] > 0


def test_idle_connections_end(unix_server: Server) -> None:
    pool = Pool(unix_socket=unix_server.unix_socket, timeout=PATIENT, idle_timeout=1)
    until(lambda: has_dropped(pool, "idle"))
    kept = Pool(
        unix_socket=unix_server.unix_socket, timeout=PATIENT, idle_timeout=1, min_connections=1
    )
    time.sleep(0.01)
    kept.ping()
    assert kept.pool_stats()["made"] == 1
    short = Pool(unix_socket=unix_server.unix_socket, timeout=PATIENT, lifetime=1)
    until(lambda: has_dropped(short, "lifetime"))
    assert adds_up(pool) and adds_up(kept) and adds_up(short)


# -- the constructor ---------------------------------------------------------------------------


def test_the_options_of_its_own() -> None:
    assert OPTIONS == [
        "max_connections",
        "min_connections",
        "acquire_timeout",
        "idle_timeout",
        "lifetime",
    ]
    for name in OPTIONS:
        assert f"    {name} (int): " in (Pool.__doc__ or "")


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_are_no_numbers(name: str) -> None:
    made: Any = Pool
    with pytest.raises(TypeError, match=rf"Pool\(\) argument '{name}' must be int"):
        made(**{name: "1"})
    for bad in (0, -1, 1 << 100):
        with pytest.raises(InvalidArgumentError, match=rf"Pool\(\) argument '{name}' must be from"):
            made(**{name: bad})


def test_options_that_do_not_fit(unix_server: Server) -> None:
    path = unix_server.unix_socket
    with pytest.raises(InvalidArgumentError, match="from 1 to 65535"):
        Pool(unix_socket=path, max_connections=65536)
    with pytest.raises(InvalidArgumentError, match="min"):
        Pool(unix_socket=path, max_connections=2, min_connections=3)
    made: Any = Client
    with pytest.raises(TypeError, match="max_connections"):
        made(unix_socket=path, max_connections=2)


def test_options_may_be_none(unix_server: Server) -> None:
    names = [name for name in OPTIONS if name != "max_connections"]
    options: Any = {name: None for name in names}
    with Pool(unix_socket=unix_server.unix_socket, timeout=PATIENT, **options) as pool:
        pool.ping()
    made: Any = Pool
    with pytest.raises(TypeError, match="max_connections"):
        made(unix_socket=unix_server.unix_socket, max_connections=None)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 drops signatures of such types")
def test_the_readme_has_its_options() -> None:
    readme = Path(__file__).parents[2] / "python" / "README.md"
    table = readme.read_text(encoding="utf-8").split("| option of Pool |", 1)[1].split("\n\n", 1)[0]
    told = {}
    for row in table.splitlines()[2:]:
        name, _, default = (cell.strip() for cell in row.split("|")[1:4])
        told[name.strip("`")] = default
    defaults = {name: inspect.signature(Pool).parameters[name].default for name in OPTIONS}
    assert told == {name: str(default) for name, default in defaults.items()}


def test_init_is_for_once(unix_server: Server, short_path: Callable[[], str]) -> None:
    pool: Any = Pool.__new__(Pool)
    for call in (pool.ping, pool.close, pool.clear, pool.connect, pool.pool_stats):
        with pytest.raises(UsageError, match="__init__ was not called"):
            call()
    with pytest.raises(UsageError, match="__init__ was not called"):
        pool.pipeline().ping().execute()
    assert "not initialised" in repr(pool)
    assert not pool.connected
    with pytest.raises(UnreachableError):
        pool.__init__(unix_socket=short_path())
    pool.__init__(unix_socket=unix_server.unix_socket)
    with pytest.raises(UsageError, match="__init__ was called already"):
        pool.__init__(unix_socket=unix_server.unix_socket)
    pool.ping()


def test_a_pool_is_collected(unix_server: Server) -> None:
    class Own(Pool):
        pass

    pool: Any = Own(unix_socket=unix_server.unix_socket)
    pool.itself = pool
    gone = weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None


# -- signals and forks -------------------------------------------------------------------------


@pytest.fixture
def on_signal() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Sets what SIGUSR1 does, for the time of the test."""
    before = signal.getsignal(signal.SIGUSR1)

    def install(call: Callable[[], object]) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: call() and None)

    yield install
    signal.signal(signal.SIGUSR1, before)


def interrupt() -> None:
    raise Interruption


@pytest.mark.parametrize("call", ["get", "pipeline"])
@pytest.mark.parametrize("waits_for", ["connection", "reply"])
def test_a_handler_that_raises_ends_the_wait(
    peer: Callable[..., Peer], on_signal: Callable[..., None], call: str, waits_for: str
) -> None:
    held = Held()
    size = 1 if waits_for == "connection" else 2
    pool = Pool(unix_socket=peer(held, silence).path, timeout=PATIENT, max_connections=size)
    first = in_background(pool.get, "first")
    assert held.asked.wait(LONG)
    on_signal(interrupt)

    def send_when_it_waits() -> None:
        until(lambda: pool.pool_stats()["waiting" if size == 1 else "in_use"] == size)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)  # type: ignore[arg-type]

    sender = in_background(send_when_it_waits)
    with pytest.raises(Interruption):
        pool.get("second") if call == "get" else pool.pipeline().get("second").execute()
    sender.result(LONG)
    held.answer.set()
    assert first.result(LONG) == b"first"
    assert pool.pool_stats()["waiting"] == pool.pool_stats()["in_use"] == 0
    assert adds_up(pool)


def test_a_handler_may_use_the_pool(
    peer: Callable[..., Peer], on_signal: Callable[..., None]
) -> None:
    held = Held()
    pool = Pool(unix_socket=peer(held, echo_keys).path, timeout=PATIENT)
    seen: list[Any] = []

    def handler() -> None:
        seen.append(pool.get("handler"))
        held.answer.set()

    on_signal(handler)

    def send() -> None:
        assert held.asked.wait(LONG)
        os.kill(os.getpid(), signal.SIGUSR1)

    sender = in_background(send)
    assert pool.get("outer") == b"outer"
    sender.result(LONG)
    assert seen == [b"handler"]


def test_a_child_has_connections_of_its_own(pool: Pool, prefix: str) -> None:
    pool.set(prefix, "parent")

    def child() -> None:
        assert not pool.connected
        assert pool.pool_stats()["made"] == 0
        assert pool.get(prefix) == b"parent"
        assert pool.pipeline().get(prefix).execute() == [b"parent"]
        pool.set(prefix, "child")
        pool.close()

    in_child(child)
    assert pool.get(prefix) == b"child"
    assert pool.pool_stats()["made"] == 1


def test_a_fork_while_others_are_in_a_call(peer: Callable[..., Peer]) -> None:
    held = Held()
    pool = Pool(unix_socket=peer(held, echo_keys).path, timeout=PATIENT, max_connections=1)
    first = in_background(pool.get, "first")
    assert held.asked.wait(LONG)
    second = in_background(pool.get, "second")
    until(lambda: pool.pool_stats()["waiting"] == 1)
    in_child(lambda: pool.get("child") == b"child" or 1 / 0)
    held.answer.set()
    assert first.result(LONG) == b"first"
    assert second.result(LONG) == b"second"


def test_a_handler_that_forks(peer: Callable[..., Peer], on_signal: Callable[..., None]) -> None:
    """The child comes back into the call of its parent, whose connection it must leave alone."""
    held = Held()
    pool = Pool(unix_socket=peer(held, echo_keys).path, timeout=PATIENT)
    children: list[int] = []

    def handler() -> None:
        children.append(os.fork())
        if children[0]:
            held.answer.set()

    on_signal(handler)

    def send() -> None:
        assert held.asked.wait(LONG)
        os.kill(os.getpid(), signal.SIGUSR1)

    sender = in_background(send)
    try:
        got: object = pool.get("outer")
    except BaseException as error:
        got = error
    if not children[0]:
        fine = isinstance(got, ConnectionLostError) and "parent process" in str(got)
        os._exit(0 if fine and pool.get("child") == b"child" else 1)
    assert got == b"outer"
    sender.result(LONG)
    assert os.waitpid(children[0], 0)[1] == 0


# -- many threads ------------------------------------------------------------------------------


def test_a_hundred_threads_on_eight_connections_with_random_cuts(
    unix_server: Server, prefix: str
) -> None:
    """No wrong value, only errors; and in the end the pool is whole again."""
    wrong: list[object] = []
    done = threading.Event()

    def work(pool: Pool, number: int) -> None:
        key = f"{prefix}{number}"
        for turn in range(30):
            mine = f"{number}.{turn}".encode()
            try:
                pool.set(key, mine)
                got: object = pool.get(key)
            except (ConnectionLostError, ServerTimeoutError, UnreachableError):
                continue
            except PyGibsonError as error:
                got = error
            if got != mine:
                wrong.append((mine, got))

    with Proxy(unix_server) as proxy:
        pool = Pool(unix_socket=proxy.unix_socket, timeout=PATIENT, acquire_timeout=PATIENT)

        def cut() -> None:
            while not done.wait(0.01):
                proxy.drop()

        cutting = in_background(cut)
        calls = [in_background(work, pool, number) for number in range(100)]
        for call in calls:
            call.result(4 * LONG)
        done.set()
        cutting.result(LONG)
        assert not wrong
        until(lambda: works(pool))
        stats = pool.pool_stats()
        assert stats["in_use"] == stats["waiting"] == stats["connecting"] == 0
        assert stats["idle"] >= 1
        assert adds_up(pool)
        helds = [in_background(pool.ping) for _ in range(8)]
        for held in helds:
            held.result(LONG)
        assert re.search(r"\d idle", repr(pool))
