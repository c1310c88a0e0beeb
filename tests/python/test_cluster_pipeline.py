"""Pipelines of a Cluster of more than one server: order, and what becomes of them where some fail.

What they have in common with those of Client is in test_pipeline.py, with a cluster of one."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any, Callable

import pytest
from clustered import address
from conftest import PATIENT
from peer import LONG, Connection, Held, Peer, echo_keys, in_background, reply, silence
from pygibson import (
    Cluster,
    ClusterAnswer,
    ConnectionLostError,
    InvalidArgumentError,
    PipelineError,
    ProtocolError,
    PyGibsonError,
    Server,
    ServerTimeoutError,
    UnreachableError,
    UsageError,
)
from test_fork import in_child
from test_signals import Interruption

KEYS = 60


def test_results_are_in_the_order_of_the_operations(cluster: Cluster, prefix: str) -> None:
    keys = [f"{prefix}{n}" for n in range(KEYS)]
    with cluster.pipeline() as batch:
        for key in keys:
            batch.set(key, key).count(prefix)
    assert batch.results == [value for n in range(KEYS) for value in (None, n + 1)]
    with cluster.pipeline() as batch:
        for key in keys:
            batch.get(key)
        batch.ping().mget(prefix).mget(prefix, 7).keys(prefix).mdl(prefix).count(prefix)
    results: Any = batch.results
    values = [key.encode() for key in keys]
    assert results[:KEYS] == values
    assert results[KEYS : KEYS + 2] == [None, dict(zip(keys, values))]
    assert len(results[KEYS + 2]) == 7
    assert sorted(results[KEYS + 3]) == sorted(values)
    assert results[KEYS + 4 :] == [KEYS, 0]


@pytest.mark.parametrize("options", [{}, {"pipeline_window": 1}, {"pipeline_bytes": 100}])
def test_more_than_the_window(
    servers: list[Server],
    prefix: str,
    options: dict[str, Any],
) -> None:
    with Cluster([address(server) for server in servers], timeout=PATIENT, **options) as made:
        batch = made.pipeline()
        for n in range(3000):
            batch.set(f"{prefix}{n % KEYS}", f"{n}").get(f"{prefix}{n % KEYS}")
        assert batch.execute()[1::2] == [b"%d" % n for n in range(3000)]


def test_large_values_of_all_servers(cluster: Cluster, prefix: str) -> None:
    value = b"v" * 100_000
    batch = cluster.pipeline()
    for n in range(100):
        batch.set(f"{prefix}{n}", value).get(f"{prefix}{n}").mget(prefix, 2)
    results = batch.execute()
    assert results[1::3] == [value] * 100
    assert {len(each) for each in results[2::3]} == {1, 2}  # type: ignore[arg-type]


def test_a_server_that_is_away_fails_its_own_operations(prefix: str) -> None:
    with Server() as up, Server() as down:
        made = Cluster([address(up), address(down)], timeout=PATIENT, failure_limit=2)
        keys = [f"{prefix}{n}" for n in range(KEYS)]
        made.ping()
        down.stop()
        away = {key for key in keys if made.server_of(key) == address(down)}
        for turn in range(3):
            assert made.servers[1].is_ejected == (turn == 2)  # a batch is one failure
            batch = made.pipeline(raise_on_error=False)
            for key in keys:
                batch.set(key, key)
            results = batch.count(prefix).get("bad key").stats().execute()
            for key, result in zip(keys, results):
                if key in away:
                    assert isinstance(result, (UnreachableError, ConnectionLostError))
                    assert (result.server, result.key) == (address(down), key)
                else:
                    assert result is None
            count, refused, of_one = results[KEYS:]
            assert isinstance(count, PyGibsonError)
            assert count.server == address(down)
            here = ClusterAnswer((address(up), None, KEYS - len(away)))
            assert count.answers is not None
            assert count.answers[0] == here
            assert count.answers[1].number == 0
            assert type(refused) is InvalidArgumentError
            assert type(of_one) is UsageError
            assert (refused.server, of_one.server) == (None, None)
        with pytest.raises(PipelineError) as caught, made.pipeline() as batch:
            for key in keys:
                batch.get(key)
        assert {failure.key for failure in caught.value.failures} == away
        assert {type(failure.error) for failure in caught.value.failures} == {UnreachableError}
        assert caught.value.server is None
        assert "is ejected after failures" in str(caught.value)


def test_a_single_call_raises_what_stands_in_the_results(prefix: str) -> None:
    with Server() as up, Server() as down:
        made = Cluster([address(up), address(down)], timeout=PATIENT, failure_limit=1)
        down.stop()
        with pytest.raises(PyGibsonError):
            made.ping()
        calls: list[tuple[Callable[[], Any], Any]] = [
            (lambda: made.count(prefix), made.pipeline(raise_on_error=False).count(prefix)),
            (made.stats, made.pipeline(raise_on_error=False).stats()),
            (lambda: made.mget("a b"), made.pipeline(raise_on_error=False).mget("a b")),
        ]
        for call, batch in calls:
            with pytest.raises(PyGibsonError) as single:
                call()
            (result,) = batch.execute()
            assert type(result) is type(single.value)
            assert str(result) == str(single.value)
            assert result.answers == single.value.answers
            assert result.server == single.value.server


def test_a_silent_server_takes_one_deadline(peer: Callable[..., Peer]) -> None:
    paths = [f"unix:{peer(silence).path}", f"unix:{peer(echo_keys).path}"]
    made = Cluster(paths, timeout=200, failure_limit=2)
    keys = [f"{n}" for n in range(KEYS)]
    batch = made.pipeline(raise_on_error=False)
    for key in keys:
        batch.get(key)
    results = dict(zip(keys, batch.execute()))
    silent = [key for key in keys if made.server_of(key) == paths[0]]
    assert 0 < len(silent) < KEYS
    assert type(results[silent[0]]) is ServerTimeoutError
    assert {type(results[key]) for key in silent[1:]} == {ConnectionLostError}
    assert [results[key] for key in keys if key not in silent] == [
        key.encode() for key in keys if key not in silent
    ]
    assert not made.servers[0].is_ejected


def test_a_malformed_reply_fails_what_is_behind_it(peer: Callable[..., Peer]) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(reply(77))
        connection.wait_for_end()

    made = Cluster([f"unix:{peer(script).path}"], timeout=PATIENT)
    first, second = made.pipeline(raise_on_error=False).get("a").get("b").execute()
    assert type(first) is ProtocolError
    assert type(second) is ConnectionLostError


def test_servers_are_sent_their_operations_at_once(peer: Callable[..., Peer]) -> None:
    """None answers before all are asked."""
    all_asked = threading.Barrier(3)

    def answer(connection: Connection) -> None:
        while True:
            _, key = connection.request()
            all_asked.wait(LONG)
            connection.send(b"\x06\0\0" + len(key).to_bytes(4, "little") + key)

    made = Cluster([f"unix:{peer(answer).path}" for _ in range(3)], timeout=PATIENT)
    keys: dict[str, str] = {}
    while len(keys) < 3:
        key = f"k{os.urandom(4).hex()}"
        keys.setdefault(made.server_of(key), key)
    batch = made.pipeline()
    for key in keys.values():
        batch.get(key)
    assert batch.execute() == [key.encode() for key in keys.values()]


def test_the_list_may_be_replaced_in_the_midst(
    peer: Callable[..., Peer], servers: list[Server], prefix: str
) -> None:
    """What the batch has under way ends with the former list; the rest goes to the new one."""
    held = Held()
    made = Cluster([f"unix:{peer(held).path}"], timeout=PATIENT, pipeline_window=1)
    running = in_background(made.pipeline().get("key").set(prefix, "v").get(prefix).execute)
    assert held.asked.wait(LONG)
    made.set_servers([address(servers[0])])
    held.answer.set()
    assert running.result(LONG) == [b"key", None, b"v"]


def test_close_lets_a_batch_end(peer: Callable[..., Peer]) -> None:
    held = Held()
    made = Cluster([f"unix:{peer(held).path}"], timeout=PATIENT)
    batch = made.pipeline()
    running = in_background(batch.get("first").execute)
    assert held.asked.wait(LONG)
    made.close()
    held.answer.set()
    assert running.result(LONG) == [b"first"]
    with pytest.raises(ConnectionLostError, match="the cluster is closed"):
        batch.get("second").execute()
    assert batch.results is None


def test_a_child_has_connections_of_its_own(cluster: Cluster, prefix: str) -> None:
    assert cluster.pipeline().set(prefix, "parent").count(prefix).execute() == [None, 1]

    def child() -> None:
        batch = cluster.pipeline().get(prefix).count(prefix).set(prefix, "child")
        assert batch.execute() == [b"parent", 1, None]

    in_child(child)
    assert cluster.pipeline().get(prefix).execute() == [b"child"]


def test_a_handler_that_raises_ends_a_batch(peer: Callable[..., Peer]) -> None:
    asked = threading.Event()

    def ask_and_wait(connection: Connection) -> None:
        connection.request()
        asked.set()
        connection.wait_for_end()

    made = Cluster([f"unix:{peer(ask_and_wait, echo_keys).path}"], timeout=PATIENT)

    def raise_it(*_: object) -> None:
        raise Interruption

    def send() -> None:
        assert asked.wait(LONG)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, raise_it)
    try:
        sender = in_background(send)
        batch = made.pipeline()
        for n in range(5000):
            batch.get(f"{n}")
        with pytest.raises(Interruption):
            batch.execute()
        assert batch.results is None
        sender.result(LONG)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert made.pipeline().get("other").execute() == [b"other"]
    assert not made.servers[0].is_ejected


def test_threads_run_batches_at_once(cluster: Cluster, prefix: str) -> None:
    def work(thread: int) -> None:
        for turn in range(20):
            batch = cluster.pipeline()
            for n in range(30):
                key = f"{prefix}{thread}.{n}"
                batch.set(key, f"{thread}.{turn}.{n}").get(key)
            batch.count(f"{prefix}{thread}.")
            results = batch.execute()
            assert results[1:-1:2] == [f"{thread}.{turn}.{n}".encode() for n in range(30)]
            assert results[-1] == 30

    for call in [in_background(work, thread) for thread in range(8)]:
        call.result(LONG)


def test_one_that_was_not_made_runs_nothing() -> None:
    made: Any = Cluster.__new__(Cluster)
    with pytest.raises(UsageError, match=r"Cluster\.__init__ was not called"):
        made.pipeline().ping().execute()
