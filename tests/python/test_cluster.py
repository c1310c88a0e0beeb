"""Cluster: where keys go, what many servers say together, and what happens when some fail.

The commands are tested by test_commands.py, with a cluster of one."""

from __future__ import annotations

import gc
import inspect
import os
import signal
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any, Callable

import pygibson
import pygibson.aio
import pytest
from clustered import address
from peer import LONG, Held, Peer, echo_keys, in_background, number, silence, until
from pygibson import (
    Client,
    Cluster,
    ClusterAnswer,
    ConnectionLostError,
    InvalidArgumentError,
    NotFoundError,
    PipelineError,
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


def test_keys_are_on_the_servers_that_it_tells(
    servers: list[Server], cluster: Cluster, prefix: str
) -> None:
    of = {address(server): server for server in servers}
    used = set()
    for number_of_key in range(30):
        key = f"{prefix}{number_of_key}"
        cluster.set(key, key)
        at = cluster.server_of(key)
        used.add(at)
        for name, server in of.items():
            with server.client(timeout=PATIENT) as client:
                assert client.count(key) == (name == at)
        assert cluster.get(key) == key.encode()
    assert used == set(of)
    assert cluster.count(prefix) == 30
    assert cluster.mget(prefix) == {f"{prefix}{n}": f"{prefix}{n}".encode() for n in range(30)}
    assert len(cluster.mget(prefix, 7)) == 7
    assert len(cluster.keys(prefix)) == 30
    assert cluster.mdl(prefix) == 30
    with pytest.raises(NotFoundError) as raised:
        cluster.mdl(prefix)
    assert [answer.status for answer in raised.value.answers or []] == ["not_found"] * 3


def test_affinity_keeps_a_subtree_on_one_server(servers: list[Server], prefix: str) -> None:
    addresses = [address(server) for server in servers]
    with Cluster(addresses, timeout=PATIENT, depth=2, separator="/") as cluster:
        for tenant in range(10):
            for key in range(5):
                cluster.set(f"{prefix}/{tenant}/{key}", "v")
            assert len({cluster.server_of(f"{prefix}/{tenant}/{key}") for key in range(5)}) == 1
            subtree = f"{prefix}/{tenant}/"
            assert cluster.servers_of(subtree) == [cluster.server_of(subtree + "0")]
            assert cluster.mdl(subtree) == 5
        assert cluster.servers_of(f"{prefix}/") == addresses
        assert cluster.servers_of("") == addresses
    with Cluster(addresses, timeout=PATIENT, hash_tag=True) as tagged:
        assert tagged.server_of("{7}:a") == tagged.server_of("{7}:b")
        assert len(tagged.servers_of("{7}:")) == 1


def test_a_missing_answer_is_not_hidden_in_a_sum(prefix: str) -> None:
    with Server() as up, Server() as down:
        addresses = [address(up), address(down)]
        cluster = Cluster(addresses, timeout=PATIENT, failure_limit=1)
        for key in range(20):
            cluster.set(f"{prefix}{key}", "v")
        with up.client(timeout=PATIENT) as client:
            here = client.count(prefix)
        down.stop()
        for _ in range(2):
            with pytest.raises(UnreachableError) as raised:
                cluster.mdl(prefix)
            expected = ClusterAnswer((address(up), None if here else "not_found", here))
            assert raised.value.answers == [expected, (address(down), "unreachable", 0)]
            assert raised.value.server == address(down)
            here = 0
        with pytest.raises(UnreachableError) as raised:
            cluster.ping()
        assert [answer.status for answer in raised.value.answers or []] == [None, "unreachable"]


def test_a_server_that_fails_is_ejected_and_comes_back(prefix: str) -> None:
    with Server() as first, Server() as second:
        both = [address(first), address(second)]
        cluster = Cluster(both, timeout=PATIENT, failure_limit=2, retry_delay=20)
        key = next(
            f"{prefix}{n}" for n in range(1000) if cluster.server_of(f"{prefix}{n}") == both[1]
        )
        cluster.set(key, "v")
        second.stop()
        for _ in range(2):
            assert not cluster.servers[1].is_ejected
            with pytest.raises(UnreachableError):
                cluster.get(key)
        assert cluster.servers[1] == (both[1], True, 1)
        with pytest.raises(UnreachableError, match="ejected"):
            cluster.get(key)
        second.start()
        until(lambda: not fails(lambda: cluster.set(key, "back")))
        assert cluster.get(key) == b"back"
        assert cluster.servers[1] == (both[1], False, 1)


def fails(call: Callable[[], object]) -> bool:
    try:
        call()
    except (UnreachableError, ConnectionLostError):
        return True
    return False


def test_rehash_goes_to_the_next_and_flush_drops_what_is_stale(prefix: str) -> None:
    with Server() as first, Server() as second, Proxy(second) as proxy:
        cluster = Cluster(
            [address(first), address(proxy)],
            timeout=PATIENT,
            failure_limit=1,
            retry_delay=20,
            rehash=True,
            flush_prefix=prefix,
        )
        keys = (f"{prefix}{n}" for n in range(1000))
        key = next(key for key in keys if cluster.server_of(key) == address(proxy))
        cluster.set(key, "old")
        proxy.stop()
        with pytest.raises((UnreachableError, ConnectionLostError)):
            cluster.get(key)
        cluster.set(key, "new")
        assert cluster.get(key) == b"new"
        with second.client(timeout=PATIENT) as behind:
            assert behind.get(key) == b"old"
        proxy.start()
        until(lambda: not fails(cluster.ping))
        assert not cluster.servers[1].is_ejected
        with pytest.raises(NotFoundError):
            cluster.get(key)


def test_one_deadline_for_all(peer: Callable[..., Peer]) -> None:
    silent = [peer(silence) for _ in range(4)]
    cluster = Cluster([f"unix:{each.path}" for each in silent], timeout=150)
    began = time.monotonic()
    with pytest.raises(ServerTimeoutError) as raised:
        cluster.count("x")
    assert time.monotonic() - began < 10
    assert [answer.status for answer in raised.value.answers or []] == ["timeout"] * 4


def test_all_are_asked_at_once(peer: Callable[..., Peer]) -> None:
    """None answers before each has been asked."""
    asked = threading.Barrier(3, timeout=LONG)

    def answer_together(connection: Any) -> None:
        while True:
            connection.request()
            asked.wait()
            connection.send(number(5))

    peers = [peer(answer_together) for _ in range(3)]
    cluster = Cluster([f"unix:{each.path}" for each in peers], timeout=PATIENT)
    assert cluster.count("x") == 15
    assert cluster.count("x") == 15


def test_the_list_can_be_replaced_under_load(servers: list[Server], prefix: str) -> None:
    addresses = [address(server) for server in servers]
    cluster = Cluster(addresses, timeout=PATIENT)
    done = threading.Event()

    def work(thread: int) -> int:
        turns = 0
        while not done.is_set() or turns < 20:
            key, expected = f"{prefix}{thread}", f"{thread}.{turns}".encode()
            cluster.set(key, expected)
            try:
                assert cluster.get(key) in {
                    expected,
                    *(f"{thread}.{n}".encode() for n in range(turns)),
                }
            except NotFoundError:
                pass  # it moved in between
            turns += 1
        return turns

    calls = [in_background(work, thread) for thread in range(4)]
    for turn in range(60):
        cluster.set_servers(addresses[turn % 3 :] or addresses)
    done.set()
    for call in calls:
        assert call.result(LONG) >= 20
    cluster.set_servers(addresses)
    assert [server.server for server in cluster.servers] == addresses


def test_at_most_a_fair_share_of_keys_moves() -> None:
    former = [f"10.0.0.{n}:10128" for n in range(10)]
    cluster = Cluster(former)
    keys = [f"key:{n}" for n in range(20_000)]
    before = [cluster.server_of(key) for key in keys]
    cluster.set_servers([*former, "10.0.0.10:10128"])
    moved = sum(1 for key, server in zip(keys, before) if cluster.server_of(key) != server)
    assert 0 < moved / len(keys) < 1 / 11 + 0.05
    cluster.set_servers(former)
    assert [cluster.server_of(key) for key in keys] == before


def test_weights_decide_about_the_share() -> None:
    cluster = Cluster([("10.0.0.1", 1), ("10.0.0.2", 3)])
    heavy = sum(cluster.server_of(f"key:{n}") == "10.0.0.2:10128" for n in range(10_000))
    assert 0.65 < heavy / 10_000 < 0.85


# -- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("cache", "cache:10128"),
        ("cache:4000", "cache:4000"),
        ("10.0.0.1", "10.0.0.1:10128"),
        ("::1", "[::1]:10128"),
        ("[::1]", "[::1]:10128"),
        ("[::1]:4000", "[::1]:4000"),
        ("unix:/run/gibson.sock", "unix:/run/gibson.sock"),
        ("unix:/a:b", "unix:/a:b"),
    ],
)
def test_addresses(given: str, shown: str) -> None:
    cluster = Cluster([given])
    assert cluster.servers == [(shown, False, 0)]
    assert Cluster([shown]).servers == cluster.servers


@pytest.mark.parametrize(
    "servers",
    [
        [],
        [""],
        [":1"],
        ["a:0"],
        ["a:65536"],
        ["a:1x"],
        ["a:"],
        ["a: 1"],
        ["unix:"],
        ["[::1"],
        ["[]"],
        ["[::1]x"],
        ["[::1]:"],
        ["a\0b"],
        ["a", "a:10128"],
        [("a", 0)],
        [("a", -1)],
        [("a", 1 << 32)],
        [("a", 1 << 100)],
    ],
)
def test_lists_that_are_refused(servers: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^Cluster\(\): "):
        Cluster(servers)
    cluster = Cluster(["former"])
    with pytest.raises(InvalidArgumentError):
        cluster.set_servers(servers)
    assert cluster.servers == [("former:10128", False, 0)]


@pytest.mark.parametrize("prefix", ["", b"", "\ud800", "a\0b", "a b"])
def test_a_flush_prefix_that_cannot_be_one_is_refused(prefix: str | bytes) -> None:
    for kind in (Cluster, pygibson.aio.Cluster):
        with pytest.raises(InvalidArgumentError, match="flush_prefix"):
            kind(["a"], flush_prefix=prefix)


def test_a_time_that_one_server_refuses_is_asked_of_none(prefix: str) -> None:
    with Server() as long, Server(max_item_ttl=40000) as short:
        with Cluster([address(long), address(short)], PATIENT) as cluster:
            keys = [f"{prefix}{n}" for n in range(20)]
            for key in keys:
                cluster.set(key, key)
            for call in (cluster.mttl, cluster.mlock):
                with pytest.raises(InvalidArgumentError, match="40000"):
                    call(prefix, 100000)
            with pytest.raises(PipelineError), cluster.pipeline() as batch:
                batch.mttl(prefix, 100000)
                batch.ping()
            assert {cluster.meta(key, "ttl") for key in keys} == {-1}
            assert {cluster.meta(key, "lock") for key in keys} == {0}
            assert cluster.mttl(prefix, 40000) == 20


@pytest.mark.parametrize(
    "servers",
    ["a", b"a", 1, None, [1], [b"a"], [("a",)], [("a", "1")], [("a", 1, 1)], [("a", 1.0)]],
)
def test_lists_of_the_wrong_type(servers: Any) -> None:
    with pytest.raises(TypeError):
        Cluster(servers)
    with pytest.raises(TypeError):
        Cluster(["former"]).set_servers(servers)


NUMBERS = ["depth", "failure_limit", "retry_delay", "retry_max_delay", "max_key_size", "timeout"]


@pytest.mark.parametrize("name", NUMBERS)
def test_options_that_are_no_numbers(name: str) -> None:
    made: Any = Cluster
    with pytest.raises(TypeError, match=rf"Cluster\(\) argument '{name}' must be int"):
        made(["a"], **{name: "1"})
    for bad in (0, -1, 1 << 100):
        with pytest.raises(InvalidArgumentError, match=rf"Cluster\(\) argument '{name}'"):
            made(["a"], **{name: bad})


def test_options_that_do_not_fit() -> None:
    made: Any = Cluster
    made(["a"], separator=":")  # the default
    with pytest.raises(InvalidArgumentError, match="separator"):
        made(["a"], separator="/")
    for separator in ("", "::", "\xe9", b":", None):
        with pytest.raises(TypeError, match="separator"):
            made(["a"], depth=1, separator=separator)
    for options in (
        {"depth": 1, "hash_tag": True},
        {"flush_prefix": "a\0"},
        {"flush_prefix": "a b"},
    ):
        with pytest.raises(InvalidArgumentError):
            made(["a"], **options)
    with pytest.raises(TypeError, match="flush_prefix"):
        made(["a"], flush_prefix=1)
    with pytest.raises(TypeError):
        made()
    with pytest.raises(TypeError, match="port"):
        made(["a"], port=1)


def test_requests_that_are_refused_reach_no_server(peer: Callable[..., Peer]) -> None:
    listening = peer(silence)
    cluster: Any = Cluster([f"unix:{listening.path}"])
    refused: list[Callable[[], object]] = [
        lambda: cluster.get("a b"),
        lambda: cluster.count(""),
        lambda: cluster.set("key", b""),
        lambda: cluster.get("\ud800"),
        lambda: cluster.meta("key", "nonsense"),
        lambda: cluster.server_of(""),
        lambda: cluster.server_of("\ud800"),
    ]
    for call in refused:
        with pytest.raises(InvalidArgumentError):
            call()
    mistaken: list[Callable[[], object]] = [
        lambda: cluster.get(1),
        lambda: cluster.server_of(),
        lambda: cluster.servers_of(1),
    ]
    for call in mistaken:
        with pytest.raises(TypeError):
            call()
    with pytest.raises(UsageError, match="of one server"):
        cluster.stats()
    assert listening.connections == 0


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 drops signatures of such types")
def test_every_option_is_documented() -> None:
    for name in inspect.signature(Cluster).parameters:
        assert f"    {name} (" in (Cluster.__doc__ or "")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 drops signatures of such types")
def test_the_readme_has_its_options() -> None:
    readme = Path(__file__).parents[2] / "python" / "README.md"
    table = readme.read_text(encoding="utf-8").split("| option of Cluster |", 1)[1]
    told = {}
    for row in table.split("\n\n", 1)[0].splitlines()[2:]:
        name, _, default = (cell.strip() for cell in row.split("|")[1:4])
        told[name.strip("`")] = default
    of_client = inspect.signature(Client).parameters
    parameters = inspect.signature(Cluster).parameters
    own = [name for name in parameters if name not in of_client and name != "servers"]
    assert told == {name: str(parameters[name].default) for name in own}


def test_init_is_for_once() -> None:
    cluster: Any = Cluster.__new__(Cluster)
    for call in (cluster.ping, lambda: cluster.servers, lambda: cluster.set_servers(["a"])):
        with pytest.raises(UsageError, match="__init__ was not called"):
            call()
    assert "not initialised" in repr(cluster)
    with pytest.raises(InvalidArgumentError):
        cluster.__init__([])
    cluster.__init__(["a"])
    with pytest.raises(UsageError, match="__init__ was called already"):
        cluster.__init__(["a"])
    assert repr(cluster) == "<pygibson.Cluster of 1 servers>"


# -- its life ----------------------------------------------------------------------------------


def test_close(cluster: Cluster) -> None:
    cluster.ping()
    cluster.close()
    cluster.close()
    for call in (
        cluster.ping,
        lambda: cluster.get("key"),
        lambda: cluster.server_of("key"),
        lambda: cluster.servers,
        lambda: cluster.set_servers(["a"]),
    ):
        with pytest.raises(ConnectionLostError, match="the cluster is closed"):
            call()
    assert "closed" in repr(cluster)


def test_quit_closes(servers: list[Server]) -> None:
    cluster = Cluster([address(servers[0])], timeout=PATIENT)
    cluster.quit()
    with pytest.raises(ConnectionLostError, match="the cluster is closed"):
        cluster.ping()


def test_close_lets_an_operation_end(peer: Callable[..., Peer]) -> None:
    held = Held()
    cluster = Cluster([f"unix:{peer(held).path}"], timeout=PATIENT)
    first = in_background(cluster.get, "first")
    assert held.asked.wait(LONG)
    cluster.close()
    held.answer.set()
    assert first.result(LONG) == b"first"


def test_a_cluster_is_collected(servers: list[Server]) -> None:
    class Own(Cluster):
        pass

    cluster: Any = Own([address(server) for server in servers], timeout=PATIENT)
    cluster.ping()
    cluster.itself = cluster
    gone = weakref.ref(cluster)
    del cluster
    gc.collect()
    assert gone() is None


def test_a_child_has_connections_of_its_own(cluster: Cluster, prefix: str) -> None:
    cluster.set(prefix, "parent")
    assert cluster.count(prefix) == 1

    def child() -> None:
        assert cluster.get(prefix) == b"parent"
        assert cluster.count(prefix) == 1
        cluster.set(prefix, "child")

    in_child(child)
    assert cluster.get(prefix) == b"child"
    assert cluster.count(prefix) == 1


@pytest.mark.parametrize("method", ["get", "count"])
def test_a_handler_that_raises_ends_the_wait(peer: Callable[..., Peer], method: str) -> None:
    asked = threading.Event()

    def ask_and_wait(connection: Any) -> None:
        connection.request()
        asked.set()
        connection.wait_for_end()

    cluster = Cluster([f"unix:{peer(ask_and_wait, echo_keys).path}"], timeout=PATIENT)

    def raise_it(*_: object) -> None:
        raise Interruption

    def send() -> None:
        assert asked.wait(LONG)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, raise_it)
    try:
        sender = in_background(send)
        with pytest.raises(Interruption):
            getattr(cluster, method)("key")
        sender.result(LONG)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert cluster.get("other") == b"other"
    assert not cluster.servers[0].is_ejected


def test_threads_that_share_it_under_faults_get_no_wrong_value(
    servers: list[Server], prefix: str
) -> None:
    wrong: list[object] = []
    done = threading.Event()

    def work(cluster: Cluster, thread: int) -> None:
        for turn in range(60):
            key, mine = f"{prefix}{thread}.{turn}", f"{thread}.{turn}".encode()
            try:
                cluster.set(key, mine)
                got: object = cluster.get(key)
            except (ConnectionLostError, ServerTimeoutError, UnreachableError):
                continue
            except PyGibsonError as error:
                got = error
            if got != mine:
                wrong.append((mine, got))

    proxies = [Proxy(server) for server in servers]
    for proxy in proxies:
        proxy.start()
    cluster = Cluster([address(proxy) for proxy in proxies], timeout=PATIENT, retry_delay=1)

    def cut() -> None:
        while not done.wait(0.005):
            for proxy in proxies:
                proxy.drop()

    cutting = in_background(cut)
    calls = [in_background(work, cluster, thread) for thread in range(16)]
    for call in calls:
        call.result(4 * LONG)
    done.set()
    cutting.result(LONG)
    assert not wrong
    until(lambda: not fails(cluster.ping))
    for proxy in proxies:
        proxy.stop()


def test_names() -> None:
    assert pygibson.ClusterServer.__doc__ and pygibson.ClusterAnswer.__doc__
