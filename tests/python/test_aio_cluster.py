"""aio.Cluster: what many servers say together to many tasks, and what happens when some fail."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Coroutine
from typing import Any, Callable

import pygibson
import pytest
from clustered import address
from peer import Peer, number, silence
from pygibson import (
    ClusterAnswer,
    ConnectionLostError,
    InvalidArgumentError,
    NotFoundError,
    Proxy,
    PyGibsonError,
    Server,
    ServerTimeoutError,
    UnreachableError,
    UsageError,
)
from pygibson.aio import Client, Cluster

PATIENT = 30_000


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again for what nobody tells; run() ends it."""
    while not await condition():
        await asyncio.sleep(0.001)


async def fails(call: Awaitable[object]) -> bool:
    try:
        await call
    except (UnreachableError, ConnectionLostError):
        return True
    return False


def test_it_has_the_methods_of_the_client() -> None:
    of_client = {name for name in vars(Client) if not name.startswith("_")}
    missing = of_client - set(dir(Cluster))
    assert missing == {"aclose", "connect", "connected", "drain", "pipeline", "server"}
    for name in of_client - missing:
        assert inspect.getdoc(getattr(Cluster, name))


def test_keys_are_where_the_blocking_one_has_them(servers: list[Server], prefix: str) -> None:
    addresses = [address(server) for server in servers]

    async def main() -> None:
        async with Cluster(addresses, PATIENT) as cluster:
            keys = [f"{prefix}{n}" for n in range(300)]
            await asyncio.gather(*(cluster.set(key, key) for key in keys))
            blocking = pygibson.Cluster(addresses, PATIENT)
            assert [cluster.server_of(key) for key in keys] == [
                blocking.server_of(key) for key in keys
            ]
            assert [blocking.get(key) for key in keys] == [key.encode() for key in keys]
            assert await asyncio.gather(*map(cluster.get, keys)) == [key.encode() for key in keys]
            assert await cluster.count(prefix) == 300
            assert await cluster.mget(prefix) == {key: key.encode() for key in keys}
            assert len(await cluster.mget(prefix, 7)) == 7
            assert sorted(await cluster.keys(prefix)) == sorted(key.encode() for key in keys)
            await cluster.ping()
            assert await cluster.mset(prefix, "1") == 300
            assert await cluster.minc(prefix) == 300
            assert await cluster.get(keys[0]) == 2
            assert await cluster.mdl(prefix) == 300
            with pytest.raises(NotFoundError) as raised:
                await cluster.mdl(prefix)
            assert [answer.status for answer in raised.value.answers or []] == ["not_found"] * 3
            with pytest.raises(NotFoundError):
                await cluster.get(keys[0])

    run(main())


def test_each_operation_on_a_key(servers: list[Server], prefix: str) -> None:
    async def main() -> None:
        async with Cluster([address(server) for server in servers], PATIENT) as cluster:
            await cluster.set(prefix, "1", 100)
            assert await cluster.inc(prefix) == 2
            assert await cluster.dec(prefix) == 1
            await cluster.ttl(prefix, 50)
            assert await cluster.meta(prefix, "ttl") == 50
            await cluster.lock(prefix, 10)
            assert await cluster.munlock(prefix) == 1
            await cluster.lock(prefix, 10)
            await cluster.unlock(prefix)
            assert await cluster.mlock(prefix, 10) == 1
            assert await cluster.munlock(prefix) == 1
            assert await cluster.mttl(prefix, 20) == 1
            assert await cluster.mdec(prefix) == 1
            await cluster.dl(prefix)
            assert await cluster.count(prefix) == 0
            with pytest.raises(UsageError, match="of one server"):
                await cluster.stats()
            await cluster.quit()
            with pytest.raises(ConnectionLostError, match="closed"):
                await cluster.get(prefix)

    run(main())


def test_affinity_asks_one_server(servers: list[Server], prefix: str) -> None:
    async def main() -> None:
        addresses = [address(server) for server in servers]
        async with Cluster(addresses, PATIENT, depth=1, separator="/") as cluster:
            for key in range(5):
                await cluster.set(f"{prefix}/{key}", "v")
            subtree = f"{prefix}/"
            assert cluster.servers_of(subtree) == [cluster.server_of(f"{subtree}0")]
            assert await cluster.mdl(subtree) == 5

    run(main())


def test_a_missing_answer_is_not_hidden_in_a_sum(prefix: str) -> None:
    async def main() -> None:
        with Server() as up, Server() as down:
            cluster = Cluster([address(up), address(down)], PATIENT, failure_limit=1)
            await asyncio.gather(*(cluster.set(f"{prefix}{n}", "v") for n in range(20)))
            with up.client(timeout=PATIENT) as client:
                here = client.count(prefix)
            down.stop()
            for _ in range(2):
                with pytest.raises(PyGibsonError) as raised:
                    await cluster.count(prefix)
                assert isinstance(raised.value, (UnreachableError, ConnectionLostError))
                answers = raised.value.answers or []
                assert answers[0] == ClusterAnswer((address(up), None, here))
                assert (answers[1].server, answers[1].number) == (address(down), 0)
                assert answers[1].status in ("unreachable", "closed")
                assert raised.value.server == address(down)
                assert raised.value.key == prefix
            assert cluster.servers[1].is_ejected
            await cluster.close()

    run(main())


def test_a_server_that_fails_is_ejected_and_comes_back(prefix: str) -> None:
    async def main() -> None:
        with Server() as first, Server() as second:
            both = [address(first), address(second)]
            cluster = Cluster(both, PATIENT, failure_limit=2, retry_delay=20)
            keys = (f"{prefix}{n}" for n in range(1000))
            key = next(key for key in keys if cluster.server_of(key) == both[1])
            await cluster.set(key, "v")
            second.stop()
            while not cluster.servers[1].is_ejected:
                assert await fails(cluster.get(key))
            with pytest.raises(UnreachableError, match="ejected") as raised:
                await cluster.get(key)
            assert (raised.value.server, raised.value.key) == (both[1], key)
            second.start()

            async def is_back() -> bool:
                return not await fails(cluster.set(key, "back"))

            await until(is_back)
            assert await cluster.get(key) == b"back"
            assert cluster.servers[1] == (both[1], False, 1)
            await cluster.close()

    run(main())


@pytest.mark.parametrize("through", ["key", "prefix"])
def test_rehash_goes_to_the_next_and_flush_drops_what_is_stale(prefix: str, through: str) -> None:
    async def main() -> None:
        with Server() as first, Server() as second, Proxy(second) as proxy:
            cluster = Cluster(
                [address(first), address(proxy)],
                PATIENT,
                failure_limit=1,
                retry_delay=20,
                rehash=True,
                flush_prefix=prefix,
            )
            keys = (f"{prefix}{n}" for n in range(1000))
            key = next(key for key in keys if cluster.server_of(key) == address(proxy))
            await cluster.set(key, "old")
            proxy.stop()
            assert await fails(cluster.get(key))
            await cluster.set(key, "new")
            assert await cluster.get(key) == b"new"
            with second.client(timeout=PATIENT) as behind:
                assert behind.get(key) == b"old"
            proxy.start()

            async def is_back() -> bool:
                try:
                    await (cluster.get(key) if through == "key" else cluster.ping())
                except NotFoundError:
                    pass
                except PyGibsonError:
                    return False
                return not cluster.servers[1].is_ejected

            await until(is_back)
            with pytest.raises(NotFoundError):
                await cluster.get(key)
            await cluster.close()

    run(main())


def test_all_are_asked_at_once_and_under_one_deadline(peer: Callable[..., Peer]) -> None:
    async def main() -> None:
        silent = [f"unix:{peer(silence).path}" for _ in range(4)]
        cluster = Cluster(silent, 150)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(ServerTimeoutError) as raised:
            await cluster.count("x")
        assert loop.time() - began < 10
        assert [answer.status for answer in raised.value.answers or []] == ["timeout"] * 4
        await cluster.close()

    run(main())


@pytest.mark.parametrize("flush_prefix", [None, "stale:"])
def test_a_probe_that_is_cancelled_is_the_turn_of_another(
    peer: Callable[..., Peer], flush_prefix: str | None
) -> None:
    """Also where it is cancelled while it deletes what is stale."""

    def answer_late(connection: Any) -> None:
        connection.request()
        connection.wait_for_end()

    def answer(connection: Any) -> None:
        while True:
            connection.request()
            connection.send(number(5))

    async def main() -> None:
        cluster = Cluster(
            [f"unix:{peer(silence, answer_late, answer).path}"],
            100,
            failure_limit=1,
            retry_delay=1,
            depth=1,
            flush_prefix=flush_prefix,
        )
        with pytest.raises(ServerTimeoutError):
            await cluster.count("x:")

        async def probe_and_cancel() -> bool:
            task = asyncio.ensure_future(cluster.count("x:"))
            done, _ = await asyncio.wait([task], timeout=0.02)
            if done:
                assert isinstance(task.exception(), UnreachableError)
                return False
            task.cancel()
            await asyncio.wait([task])
            return True

        await until(probe_and_cancel)
        assert cluster.servers[0].is_ejected

        async def is_back() -> bool:
            try:
                return await cluster.count("x:") == 5
            except (UnreachableError, ServerTimeoutError):
                return False

        await until(is_back)
        await cluster.close()

    run(main())


def test_the_list_can_be_replaced_under_load(servers: list[Server], prefix: str) -> None:
    addresses = [address(server) for server in servers]

    async def main() -> None:
        async with Cluster(addresses, PATIENT) as cluster:
            done = False

            async def work(task: int) -> None:
                turn = 0
                while not done or turn < 5:
                    await cluster.set(f"{prefix}{task}", f"{task}.{turn}")
                    try:
                        got = await cluster.get(f"{prefix}{task}")
                        assert bytes(got).startswith(b"%d." % task)
                    except NotFoundError:
                        pass  # it moved in between
                    turn += 1

            tasks = [asyncio.ensure_future(work(task)) for task in range(20)]
            for turn in range(60):
                await asyncio.to_thread(
                    cluster.set_servers, addresses[turn % 3 :] or addresses
                ) if hasattr(asyncio, "to_thread") else None
            done = True
            await asyncio.gather(*tasks)
            cluster.set_servers(addresses)
            assert [server.server for server in cluster.servers] == addresses

    run(main())


def test_a_time_that_one_server_refuses_is_asked_of_none(prefix: str) -> None:
    async def main() -> None:
        with Server() as long, Server(max_item_ttl=40000) as short:
            addresses = [address(long), address(short)]
            async with Cluster(addresses, PATIENT) as cluster:
                keys = [f"{prefix}{n}" for n in range(20)]
                await asyncio.gather(*(cluster.set(key, key) for key in keys))
                for call in (cluster.mttl, cluster.mlock):
                    with pytest.raises(InvalidArgumentError, match=r"m.*on .*40000"):
                        await call(prefix, 100000)
                ttls = {await cluster.meta(key, "ttl") for key in keys}
                assert ttls == {-1} and {await cluster.meta(key, "lock") for key in keys} == {0}
                assert await cluster.mttl(prefix, 40000) == 20
                assert {await cluster.meta(key, "ttl") for key in keys} == {40000}
            shorter = Server(max_item_ttl=100)  # less than is asked for without a question
            with shorter:
                async with Cluster([address(long), address(shorter)], PATIENT) as cluster:
                    await asyncio.gather(*(cluster.set(f"s{key}", key) for key in keys))
                    for seconds in (100000, 101):
                        with pytest.raises(InvalidArgumentError):
                            await cluster.mttl("s" + prefix, seconds)
                    assert {await cluster.meta(f"s{key}", "ttl") for key in keys} == {-1}

    run(main())


def test_requests_that_are_refused_reach_no_server(peer: Callable[..., Peer]) -> None:
    listening = peer(silence)

    async def main() -> None:
        cluster: Any = Cluster([f"unix:{listening.path}"])
        refused: list[Callable[[], Awaitable[object]]] = [
            lambda: cluster.get("a b"),
            lambda: cluster.count(""),
            lambda: cluster.set("key", b""),
            lambda: cluster.meta("key", "nonsense"),
        ]
        for call in refused:
            with pytest.raises(InvalidArgumentError):
                await call()
        with pytest.raises(TypeError):
            await cluster.get(1)
        await cluster.close()
        await cluster.close()
        with pytest.raises(ConnectionLostError, match="the cluster is closed"):
            await cluster.ping()
        assert "pygibson.aio.Cluster" in repr(cluster)

    run(main())
    assert listening.connections <= 1
    with pytest.raises(InvalidArgumentError):
        Cluster([])
    made: Any = Cluster
    with pytest.raises(TypeError):
        made(["a"], nonsense=1)
    with pytest.raises(TypeError):
        made(["a"], reconnect=True)
