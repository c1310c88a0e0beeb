"""Batches: results in order, errors in their place."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from typing import Any, Callable

import pytest
from peer import LONG, OK, Connection, Peer, echo_keys, reply, silence, slowly, value
from pygibson import (
    Client,
    ConnectionLostError,
    InvalidArgumentError,
    LockedError,
    NaNError,
    NotFoundError,
    Pipeline,
    PipelineError,
    PipelineFailure,
    ProtocolError,
    PyGibsonError,
    ServerTimeoutError,
)


def test_all_operations(client: Client, prefix: str) -> None:
    key = prefix + "k"
    with client.pipeline(raise_on_error=False) as batch:
        batch.set(key, "1", 100).get(key).ttl(key, 50).inc(key).dec(key).get(key)
        batch.lock(key, 9).unlock(key).meta(key, "size").count(prefix).keys(prefix).mget(prefix)
        batch.mset(prefix, "5").mttl(prefix, 9).minc(prefix).mdec(prefix).mlock(prefix, 9)
        batch.munlock(prefix).mget(prefix, 1).ping().mdl(prefix).dl(key)
        assert len(batch) == 22
        assert batch.results is None
    results: Any = batch.results
    assert len(batch) == 0
    assert results[:6] == [None, b"1", None, 2, 1, 1]
    assert results[6:12] == [None, None, 8, 1, [key.encode()], {key: 1}]
    assert results[12:18] == [1, 1, 1, 1, 1, 1]
    assert results[18] == {key: 5}
    assert results[19:21] == [None, 1]
    assert type(results[21]) is NotFoundError


@pytest.mark.not_for_cluster
def test_stats(client: Client) -> None:
    (stats,) = client.pipeline().stats().execute()
    assert isinstance(stats, dict)
    assert len(stats) >= 27


def server_of_all(client: Client, api: str) -> str | None:
    """That of a PipelineError: of a Cluster there is none."""
    return None if api == "cluster" else client.server


def test_errors_stand_in_their_places(client: Client, prefix: str) -> None:
    client.set(prefix + "text", "text")
    client.set(prefix + "locked", "1")
    client.lock(prefix + "locked", 60)
    results = (
        client.pipeline(raise_on_error=False)
        .get(prefix + "missing")
        .inc(prefix + "text")
        .set(prefix + "locked", "2")
        .get("bad key")
        .set(prefix + "x", "")
        .get(prefix + "text")
        .execute()
    )
    assert [type(result) for result in results] == [
        NotFoundError, NaNError, LockedError, InvalidArgumentError, InvalidArgumentError, bytes,
    ]  # fmt: skip
    error = results[0]
    assert isinstance(error, PyGibsonError)
    assert (error.command, error.key, error.server) == ("get", prefix + "missing", client.server)
    assert str(error).startswith(f"get('{prefix}missing') on {client.server}: no such key")
    assert isinstance(results[3], InvalidArgumentError)
    assert "a space" in str(results[3])


def test_a_failed_operation_makes_the_with_statement_raise(
    client: Client, prefix: str, api: str
) -> None:
    client.set(prefix + "locked", "1")
    client.lock(prefix + "locked", 60)
    with pytest.raises(PipelineError) as caught, client.pipeline() as batch:
        batch.set(prefix + "locked", "2").set(prefix + "a", "3").get(prefix + "b").ping()
        batch.get("bad key").get(prefix + "a")
    error = caught.value
    assert isinstance(error, PyGibsonError)
    assert error.results is batch.results
    assert [(each.index, each.command, each.key) for each in error.failures] == [
        (0, "set", prefix + "locked"), (2, "get", prefix + "b"), (4, "get", "bad key"),
    ]  # fmt: skip
    assert [type(each.error) for each in error.failures] == [
        LockedError, NotFoundError, InvalidArgumentError,
    ]  # fmt: skip
    for index, command, key, failure in error.failures:
        assert failure is error.results[index]
        assert (failure.command, failure.key) == (command, key)
    assert error.results[1] is None
    assert error.results[5] == b"3"
    assert (error.status, error.command, error.key) == (None, None, None)
    assert error.server == server_of_all(client, api)
    assert str(error) == (
        f"3 of 6 operations failed: [0] {error.failures[0].error}; [2] {error.failures[1].error}; "
        f"[4] {error.failures[2].error}"
    )
    assert len(batch) == 0
    client.ping()


def test_execute_raises_too(client: Client, prefix: str) -> None:
    batch = client.pipeline().get(prefix)
    with pytest.raises(PipelineError, match=r"^1 of 1 operations failed: \[0\] get\("):
        batch.execute()
    assert batch.results is not None
    assert type(batch.results[0]) is NotFoundError
    assert batch.set(prefix, "1").get(prefix).execute() == [None, b"1"]


def test_without_raise_on_error_the_results_tell(client: Client, prefix: str) -> None:
    for batch in (
        client.pipeline(raise_on_error=False),
        Pipeline(client, raise_on_error=False),
        client.pipeline(raise_on_error=0),  # type: ignore[arg-type]
    ):
        with batch:
            batch.get(prefix).ping()
        assert batch.results is not None
        assert [type(result) for result in batch.results] == [NotFoundError, type(None)]
    with pytest.raises(PipelineError), client.pipeline(raise_on_error=True) as batch:
        batch.get(prefix)
    calls: list[Callable[[], Any]] = [
        lambda: client.pipeline(False),  # type: ignore[call-arg]
        lambda: client.pipeline(nonsense=1),  # type: ignore[call-arg]
        lambda: Pipeline(client, False),  # type: ignore[call-arg]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_every_single_call_that_would_raise_is_a_failure(client: Client, prefix: str) -> None:
    """And no other."""
    requests: list[tuple[str, tuple[Any, ...]]] = [
        ("get", ()), ("dl", ()), ("inc", ()), ("count", ()), ("mget", ()), ("keys", ()),
        ("mset", ("v",)), ("minc", ()), ("ttl", (5,)), ("ttl", (-5,)), ("lock", (9,)), ("dec", ()),
        ("set", ("v", -1)), ("set", ("",)), ("munlock", ()), ("inc", ()), ("get", ()), ("dl", ()),
    ]  # fmt: skip
    expected = []
    for index, (name, arguments) in enumerate(requests):
        try:
            getattr(client, name)(prefix, *arguments)
        except PyGibsonError as error:
            expected.append((index, name, prefix, type(error), str(error)))
    batch = client.pipeline()
    for name, arguments in requests:
        getattr(batch, name)(prefix, *arguments)
    with pytest.raises(PipelineError) as caught:
        batch.execute()
    got = [(*each[:3], type(each.error), str(each.error)) for each in caught.value.failures]
    assert got == expected
    assert 5 < len(got) < len(requests)


def test_many_failures_are_all_in_the_list(client: Client, prefix: str) -> None:
    batch = client.pipeline()
    for number in range(3000):
        batch.get(f"{prefix}{number}")
    with pytest.raises(PipelineError) as caught:
        batch.execute()
    assert [each.index for each in caught.value.failures] == list(range(3000))
    last = f"[19] get('{prefix}19') on {client.server}: no such key; and 2980 more"
    assert str(caught.value).endswith(last)


def test_the_exception_of_the_body_wins(client: Client, prefix: str) -> None:
    with pytest.raises(ZeroDivisionError) as caught, client.pipeline() as batch:
        batch.get(prefix).set(prefix, "1")
        raise ZeroDivisionError
    assert caught.value.__context__ is None
    assert batch.results is None
    assert client.count(prefix) == 0
    with pytest.raises(ZeroDivisionError), client.pipeline() as batch:
        with pytest.raises(PipelineError):
            batch.get(prefix).execute()
        batch.set(prefix, "1")
        raise ZeroDivisionError
    assert client.count(prefix) == 0


def test_the_exception_can_be_pickled(client: Client, prefix: str, api: str) -> None:
    with pytest.raises(PipelineError) as caught:
        client.pipeline().get(prefix).ping().execute()
    for copied in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert type(copied) is PipelineError
        assert str(copied) == str(caught.value)
        assert copied.server == server_of_all(client, api)
        assert type(copied.results[0]) is NotFoundError
        (failure,) = copied.failures
        assert type(failure) is PipelineFailure
        assert (failure.index, failure.command, failure.key) == (0, "get", prefix)
        assert type(failure.error) is NotFoundError


def test_results_of_an_earlier_run_do_not_stay(client: Client, prefix: str) -> None:
    batch = client.pipeline().set(prefix, "1")
    batch.execute()
    client.close()
    with pytest.raises(ConnectionLostError):
        batch.get(prefix).execute()
    assert batch.results is None


def test_it_can_be_used_again(client: Client, prefix: str) -> None:
    batch = client.pipeline()
    assert batch.set(prefix, "1").execute() == [None]
    assert batch.results == [None]
    assert batch.get(prefix).execute() == [b"1"]
    assert batch.execute() == []
    assert batch.results == []


def test_an_exception_drops_the_operations(client: Client, prefix: str) -> None:
    with pytest.raises(ZeroDivisionError), client.pipeline() as batch:
        batch.set(prefix, "1")
        raise ZeroDivisionError
    assert len(batch) == 0
    assert batch.results is None
    assert client.count(prefix) == 0


def test_bad_types_are_found_at_once(client: Client, prefix: str) -> None:
    batch = client.pipeline()
    with pytest.raises(TypeError):
        batch.set(prefix, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        batch.set("\ud800", "value", "1")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        batch.set(prefix, memoryview(b"abcd")[::2])
    assert len(batch) == 0


def test_what_libgibson_is_never_shown_fails_in_its_place(client: Client, prefix: str) -> None:
    bad: Any = "nonsense"
    value = bytearray(b"a value that could change")
    with pytest.raises(PipelineError) as caught, client.pipeline() as batch:
        batch.set(prefix, "1").meta(prefix, bad).get(prefix + "\ud800").set(prefix, "\ud800")
        batch.ttl(prefix, 1 << 64).set("\ud800", value).mget("\ud800", 1 << 64).get(prefix)
        assert len(batch) == 8
        value += b", and does"
    assert batch.results is not None
    assert [batch.results[0], batch.results[7]] == [None, b"1"]
    assert [failure.index for failure in caught.value.failures] == [1, 2, 3, 4, 5, 6]
    calls: list[Callable[[], Any]] = [
        lambda: client.meta(prefix, bad),
        lambda: client.get(prefix + "\ud800"),
        lambda: client.set(prefix, "\ud800"),
        lambda: client.ttl(prefix, 1 << 64),
        lambda: client.set("\ud800", value),
        lambda: client.mget("\ud800", 1 << 64),
    ]
    for call, failure in zip(calls, caught.value.failures):
        with pytest.raises(InvalidArgumentError) as single:
            call()
        assert type(failure.error) is InvalidArgumentError
        assert str(failure.error) == str(single.value)
        assert failure.key == single.value.key
        assert failure.command == single.value.command
        assert failure.error.server == single.value.server


def test_what_is_refused_stays_so_where_the_connection_is_gone(client: Client, prefix: str) -> None:
    """As any other request."""
    bad: Any = "nonsense"
    client.close()
    for call in (
        lambda: client.meta(prefix, bad),
        lambda: client.get("\ud800"),
        lambda: client.get("a b"),
        lambda: client.pipeline().meta(prefix, bad).execute(),
    ):
        with pytest.raises(ConnectionLostError, match=r"the (client|pool|cluster) is closed"):
            call()


def test_values_are_those_of_the_call(client: Client, prefix: str) -> None:
    value = bytearray(b"before")
    batch = client.pipeline().set(prefix, value)
    value[:] = b"after!"
    batch.execute()
    assert client.get(prefix) == b"before"


def test_keys_and_values_live_as_long_as_needed(client: Client, prefix: str) -> None:
    batch = client.pipeline()
    for number in range(1000):
        batch.set(f"{prefix}{number}ü\udc80", f"value {number} ü")
    gc.collect()
    assert batch.execute() == [None] * 1000
    assert client.get(f"{prefix}999ü\udc80") == "value 999 ü".encode()


@pytest.mark.parametrize("options", [{}, {"pipeline_window": 1}, {"pipeline_bytes": 100}])
def test_more_than_the_window(unix_server: Any, prefix: str, options: dict[str, int]) -> None:
    with unix_server.client(timeout=30_000, **options) as client:
        batch = client.pipeline()
        for number in range(5000):
            batch.set(f"{prefix}{number}", b"%d" % number)
        for number in range(5000):
            batch.get(f"{prefix}{number}")
        results = batch.execute()
        assert results == [None] * 5000 + [b"%d" % number for number in range(5000)]


def test_large_values_both_ways_do_not_block(unix_client: Client, prefix: str) -> None:
    """Both sides write at once, and all buffers are full."""
    value = b"v" * 1_000_000
    batch = unix_client.pipeline()
    for number in range(20):
        batch.set(f"{prefix}{number % 3}", value).get(f"{prefix}{number % 3}")
    assert batch.execute() == [None, value] * 20


def test_client_is_usable_in_between(client: Client, prefix: str) -> None:
    batch = client.pipeline().inc(prefix)
    assert client.inc(prefix) == 1
    assert batch.execute() == [2]


def test_mixed_sizes_of_replies(client: Client, prefix: str) -> None:
    sizes = [1, 20_000, 5, 16_384, 16_385, 300_000, 2]
    batch = client.pipeline()
    for number, size in enumerate(sizes):
        batch.set(f"{prefix}{number}", b"%d" % number * size)
    for number, _ in enumerate(sizes):
        batch.get(f"{prefix}{number}").mget(f"{prefix}{number}").keys(f"{prefix}{number}")
    results = batch.execute()[len(sizes) :]
    for number, size in enumerate(sizes):
        key, expected = f"{prefix}{number}", b"%d" % number * size
        assert results[3 * number] == expected
        assert results[3 * number + 1] == {key: expected}
        assert results[3 * number + 2] == [key.encode()]


@pytest.mark.not_for_cluster  # nothing breaks: test_cluster_pipeline.py
def test_the_connection_breaks_on_the_way(peer: Callable[..., Peer]) -> None:
    def script(connection: Connection) -> None:
        for _ in range(2):
            connection.send(value(connection.request()[1]))
        connection.request()

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    batch = client.pipeline().get("a").get("b").get("c").get("d").ping()
    with pytest.raises(ConnectionLostError) as caught:
        batch.execute()
    results = batch.results
    assert results is not None
    assert results[:2] == [b"a", b"b"]
    assert [type(result) for result in results[2:]] == [ConnectionLostError] * 3
    assert results[2] is caught.value
    assert caught.value.key == "c"
    assert not client.connected


@pytest.mark.not_for_cluster  # nothing breaks: test_cluster_pipeline.py
def test_the_with_statement_raises_when_the_connection_breaks(peer: Callable[..., Peer]) -> None:
    client = Client(unix_socket=peer(silence).path, timeout=50)
    with pytest.raises(ServerTimeoutError), client.pipeline() as batch:
        batch.get("a").get("b")
    assert batch.results is not None
    assert [type(result) for result in batch.results] == [ServerTimeoutError, ConnectionLostError]


@pytest.mark.not_for_cluster  # nothing breaks: test_cluster_pipeline.py
def test_after_a_break_nothing_more_is_sent(peer: Callable[..., Peer]) -> None:
    requests: list[bytes] = []

    def hang_up(connection: Connection) -> None:
        requests.append(connection.request()[1])

    def note(connection: Connection) -> None:
        while True:
            requests.append(connection.request()[1])
            connection.send(reply(OK))

    started = peer(hang_up, note)
    client = Client(unix_socket=started.path, timeout=30_000, reconnect=True, pipeline_window=1)
    batch = client.pipeline().dl("a").dl("b").dl("c")
    with pytest.raises(ConnectionLostError):
        batch.execute()
    assert batch.results is not None
    assert "not sent" in str(batch.results[2])
    assert requests == [b"a"]
    assert client.pipeline().dl("d").execute() == [None]
    assert requests == [b"a", b"d"]


@pytest.mark.not_for_cluster  # nothing breaks: test_cluster_pipeline.py
def test_a_malformed_reply_breaks_it(peer: Callable[..., Peer]) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(reply(77))
        connection.wait_for_end()

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    with pytest.raises(ProtocolError):
        client.pipeline().get("a").get("b").execute()


def test_of_a_closed_client(client: Client) -> None:
    batch = client.pipeline().ping()
    client.close()
    with pytest.raises(ConnectionLostError, match="closed"):
        batch.execute()
    assert len(batch) == 0


@pytest.mark.blocking  # there, each operation has it
def test_each_reply_has_the_timeout(peer: Callable[..., Peer]) -> None:
    """Together they may take longer."""
    client = Client(unix_socket=peer(slowly).path, timeout=1000)
    batch = client.pipeline()
    for number in range(15):
        batch.get(str(number))
    assert batch.execute() == [b"%d" % number for number in range(15)]


def test_threads_add_to_one_batch(unix_client: Client, prefix: str) -> None:
    batch = unix_client.pipeline()

    def add() -> None:
        for _ in range(1000):
            batch.inc(prefix)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert batch.execute() == list(range(1, 4001))


def test_made_by_hand(client: Client) -> None:
    assert Pipeline(client).ping().execute() == [None]
    assert Pipeline(client=client).ping().execute() == [None]
    for bad in ((), (1,), (client, client)):
        with pytest.raises(TypeError):
            Pipeline(*bad)


def test_it_keeps_the_client(unix_server: Any) -> None:
    client = unix_server.client(timeout=30_000)
    batch = client.pipeline().ping()
    alive = weakref.ref(client)
    del client
    gc.collect()
    assert alive() is not None
    assert batch.execute() == [None]
    del batch
    gc.collect()
    assert alive() is None


def test_circles_are_collected(unix_client: Client) -> None:
    class Key(str):
        batch: Pipeline

    key = Key("key")
    key.batch = unix_client.pipeline().get(key)
    gone = weakref.ref(key)
    del key
    gc.collect()
    assert gone() is None


@pytest.mark.not_for_cluster  # nothing breaks: test_cluster_pipeline.py
def test_a_peer_that_answers_too_much(peer: Callable[..., Peer]) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(value(b"a") + value(b"b"))
        connection.wait_for_end()

    client = Client(unix_socket=peer(script).path, timeout=30_000)
    with pytest.raises(ProtocolError):
        client.pipeline().get("a").execute()


def test_echo(peer: Callable[..., Peer]) -> None:
    client = Client(unix_socket=peer(echo_keys).path, timeout=30_000)
    batch = client.pipeline()
    for number in range(3000):
        batch.get(str(number))
    assert batch.execute() == [b"%d" % number for number in range(3000)]
