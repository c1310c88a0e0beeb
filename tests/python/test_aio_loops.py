"""pygibson.aio and event loops: several of them, closed ones, those of other threads, and processes
that fork. And what is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, Callable

import pytest
from loops import KINDS, Gate, loop_of, new_loop, run_in, turns, until
from peer import LONG, Peer, echo_keys, in_background, silence
from pygibson import ConnectionLostError, PyGibsonError, Server, UsageError
from pygibson.aio import Client, Reply

Start = Callable[..., Peer]

PATIENT = 30_000


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def connect(server: Server, **options: Any) -> Client:
    return Client(**{"timeout": PATIENT, **server.address, **options})


def to_peer(peer: Peer, **options: Any) -> Client:
    return Client(**{"timeout": PATIENT, "unix_socket": peer.path, **options})


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# -- several loops -------------------------------------------------------------------------------


def test_redis_py_3351_two_loops_in_one_process(
    kind: str, unix_server: Server, prefix: str
) -> None:
    """In threads of their own, and by turns in one thread."""

    async def work(client: Client, name: str) -> None:
        for number in range(50):
            await client.set(f"{prefix}{name}{number}", f"{name}{number}")
            assert await client.get(f"{prefix}{name}{number}") == f"{name}{number}".encode()

    async def main(name: str) -> None:
        async with connect(unix_server) as client:
            await asyncio.gather(*(work(client, f"{name}{number}.") for number in range(5)))

    def thread(name: str) -> None:
        run_in(kind, lambda: main(name))

    for future in [in_background(thread, f"thread{number}.") for number in range(2)]:
        future.result(LONG)
    with loop_of(kind) as first, loop_of(kind) as second:
        clients = {first: connect(unix_server), second: connect(unix_server)}
        for number in range(20):
            for loop, client in clients.items():
                loop.run_until_complete(work(client, f"turn{number}."))
        for loop, client in clients.items():

            async def close(client: Client = client) -> None:
                await client.close()

            loop.run_until_complete(close())


def test_another_loop_raises_and_changes_nothing(kind: str, peer: Start) -> None:
    gate = Gate()
    client = to_peer(peer(gate))
    replies: list[Reply[Any]] = []

    async def begin() -> None:
        await client.connect()
        replies.append(client.get("first"))
        await turns(3)

    async def intrude() -> None:
        batch = client.pipeline().get("key")
        for call in (
            lambda: client.get("second"),
            lambda: client.get(1),  # type: ignore[arg-type]
            client.connect,
            client.close,
            client.aclose,
            client.drain,
            client.quit,
            batch.execute,
            client.__aenter__,
            client.__aexit__,
        ):
            with pytest.raises(UsageError, match="belongs to another event loop"):
                call()  # type: ignore[no-untyped-call, unused-ignore]
        assert len(batch) == 1
        assert client.connected

    async def end() -> None:
        gate.allow(2)
        assert await replies[0] == b"first"
        assert await client.get("third") == b"third"
        assert gate.asked == [b"first", b"third"]
        await client.close()

    with loop_of(kind) as loop, loop_of(kind) as other:
        loop.run_until_complete(begin())
        other.run_until_complete(intrude())
        loop.run_until_complete(end())


def test_another_thread_raises_and_changes_nothing(kind: str, peer: Start) -> None:
    gate = Gate()
    client = to_peer(peer(gate))

    def intrude(reply: Reply[Any]) -> None:
        for call in (lambda: client.get("second"), client.close, client.pipeline().execute):
            with pytest.raises(UsageError, match="no event loop runs in this thread"):
                call()  # type: ignore[no-untyped-call, unused-ignore]
        with pytest.raises(UsageError, match="belongs to another event loop"):
            reply.cancel()

        async def within() -> None:
            for call in (lambda: client.get("second"), client.close, reply.cancel):
                with pytest.raises(UsageError, match="belongs to another event loop"):
                    call()

        asyncio.run(within())

    async def main() -> None:
        await client.connect()
        reply = client.get("first")
        intruding = in_background(intrude, reply)
        await until(intruding.done)
        intruding.result()
        gate.allow(1)
        assert await reply == b"first"
        assert gate.asked == [b"first"]
        await client.close()

    run_in(kind, main)


def test_without_a_loop_it_raises(unix_server: Server) -> None:
    client = connect(unix_server)
    with pytest.raises(UsageError, match="no event loop runs in this thread"):
        client.get("key")
    assert not client.connected


def test_a_client_made_before_its_loop_belongs_to_the_first_that_uses_it(
    kind: str, unix_server: Server
) -> None:
    client = connect(unix_server)

    async def main() -> None:
        async with client:
            await client.ping()

    run_in(kind, main)


def test_valkey_glide_7122_a_loop_that_stands_still_stalls_no_other(
    kind: str, unix_server: Server
) -> None:
    client = connect(unix_server)
    with loop_of(kind) as stopped:

        async def begin() -> Reply[None]:
            await client.connect()
            return client.ping()  # is never sent, as the loop stops

        reply = stopped.run_until_complete(begin())

        async def work() -> None:
            async with connect(unix_server) as other:
                for _ in range(100):
                    await other.ping()

        run_in(kind, work)

        async def end() -> None:
            await reply
            await client.close()

        stopped.run_until_complete(end())


# -- closed loops --------------------------------------------------------------------------------


async def leave_requests(client: Client, replies: list[Reply[Any]]) -> None:
    await client.connect()
    replies += [client.get(str(number)) for number in range(5)]
    replies.append(client.pipeline().get("a").get("b").execute())
    replies.append(client.drain())
    await turns(3)


@pytest.mark.parametrize("keep", ["nothing", "client", "replies", "both"])
def test_valkey_glide_7122_a_loop_that_is_closed_with_requests_under_way(
    kind: str, peer: Start, keep: str
) -> None:
    gc.collect()
    started = peer(silence)
    before = descriptors()
    client = to_peer(started, pipeline_window=3)
    replies: list[Reply[Any]] = []
    loop = new_loop(kind)
    loop.run_until_complete(leave_requests(client, replies))
    loop.close()
    gone = weakref.ref(client)
    if keep in ("nothing", "replies"):
        del client
    if keep in ("nothing", "client"):
        replies.clear()
    gc.collect()
    if keep == "nothing":
        assert gone() is None
    elif keep in ("client", "both"):

        async def close() -> None:
            with pytest.raises(UsageError):
                client.get("key")
            await client.close()
            with pytest.raises(UsageError):
                client.connect()

        asyncio.run(close())
        assert not client.connected
    if keep in ("replies", "both"):
        done = [reply.done() for reply in replies]
        assert done == [keep == "both"] * 7
        for reply in replies:
            if reply.done() and not reply.cancelled():
                reply.exception()
    replies.clear()
    reply = client = None  # type: ignore[assignment]
    del loop, reply
    gc.collect()
    assert gone() is None
    assert descriptors() <= before + 1  # the peer's end may be there yet


def test_a_task_that_waits_when_its_loop_is_closed(kind: str, peer: Start) -> None:
    """It is destroyed with all it has, as asyncio has it."""
    started = peer(silence)
    loop = new_loop(kind)
    told: list[str] = []
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))
    ends: list[str] = []

    async def wait(client: Client) -> None:
        try:
            await client.get("key")
        finally:
            ends.append("closed")

    async def main() -> None:
        client = to_peer(started)
        await client.connect()
        tasks.append(asyncio.ensure_future(wait(client)))
        await turns(3)

    tasks: list[Any] = []
    loop.run_until_complete(main())
    loop.close()
    gone = weakref.ref(tasks.pop())
    del loop
    gc.collect()
    assert gone() is None
    assert ends == ["closed"]
    assert told == ["Task was destroyed but it is pending!"]


def test_asyncio_run_cancels_what_waits(kind: str, peer: Start) -> None:
    started = peer(silence)

    async def main() -> None:
        client = to_peer(started)
        await client.connect()
        asyncio.ensure_future(client.get("lost"))  # noqa: RUF006
        tasks.append(asyncio.ensure_future(asyncio.wait_for(client.get("key"), LONG)))
        await turns(2)

    tasks: list[Any] = []
    loop = new_loop(kind)
    loop.run_until_complete(main())
    for task in tasks:  # as asyncio.run does, when no loop runs
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    assert all(task.cancelled() for task in tasks)
    loop.close()


def test_a_client_that_is_dropped_lives_until_its_requests_are_done(kind: str, peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        client: Client | None = to_peer(peer(gate))
        assert client is not None
        gone = weakref.ref(client)
        await client.connect()
        task = asyncio.ensure_future(client.get("key"))
        client = None
        await turns(3)
        gc.collect()
        assert gone() is not None
        gate.allow(1)
        assert await task == b"key"
        await turns(2)
        assert gone() is None

    run_in(kind, main)


def test_a_client_that_is_dropped_closes_its_connection(kind: str, unix_server: Server) -> None:
    async def main() -> None:
        await connect(unix_server).ping()
        before = descriptors()
        for _ in range(20):
            client = connect(unix_server)
            await client.ping()
            del client
            await turns(1)
        assert descriptors() <= before

    run_in(kind, main)


def test_a_client_that_another_thread_drops_is_closed_by_its_loop(
    kind: str, unix_server: Server
) -> None:
    async def main() -> None:
        clients = [connect(unix_server)]
        await clients[0].ping()
        before = descriptors()
        thread = threading.Thread(target=clients.clear)
        thread.start()
        thread.join()
        await until(lambda: descriptors() < before)

    run_in(kind, main)


def test_circles_are_collected(kind: str, peer: Start) -> None:
    started = peer(echo_keys)

    async def main() -> None:
        gone = []
        for _ in range(3):
            client: Any = to_peer(started)
            client.itself = client
            await client.get("key")
            batch = client.pipeline().get("key")
            await batch.execute()
            client.batch = batch
            reply = client.get("key")
            reply.add_done_callback(lambda _, all_of=(client, batch): None)
            await reply
            gone += [weakref.ref(client), weakref.ref(reply)]
            del client, batch, reply
        await turns(1)  # this one was resumed by the last of them
        gc.collect()
        assert [each() for each in gone] == [None] * 6

    run_in(kind, main)


def test_a_finaliser_that_uses_the_client_within_a_call(unix_server: Server, prefix: str) -> None:
    """A reply with many items may start a garbage collection while it is read."""
    raised: list[BaseException] = []

    async def main() -> None:
        async with connect(unix_server) as client:
            async with client.pipeline() as batch:
                for number in range(3000):
                    batch.set(f"{prefix}{number}", "value")

            class Circle:
                def __init__(self) -> None:
                    self.itself = self

                def __del__(self) -> None:
                    try:
                        client.close()
                    except PyGibsonError as error:
                        raised.append(error)

            before = gc.get_threshold()
            gc.set_threshold(1, 1, 1)
            try:
                reply = client.mget(prefix)
                while not reply.done():
                    Circle()
                    await turns(1)
                assert reply.exception() is None or type(reply.exception()) is ConnectionLostError
            finally:
                gc.set_threshold(*before)
        assert {type(error) for error in raised} <= {UsageError}

    run_in("asyncio", main)


def test_a_loop_that_takes_no_descriptors(unix_server: Server) -> None:
    class Loop(asyncio.SelectorEventLoop):
        def add_reader(self, *_: Any) -> None:  # type: ignore[override]
            raise NotImplementedError("no descriptors here")

    loop = Loop()

    async def main() -> None:
        client = connect(unix_server)
        for call in (client.connect, client.connect, lambda: client.get("key")):
            with pytest.raises((NotImplementedError, ConnectionLostError)):
                await call()  # type: ignore[no-untyped-call, unused-ignore]
        await client.close()

    loop.run_until_complete(asyncio.wait_for(main(), LONG))
    loop.close()


# -- forks ---------------------------------------------------------------------------------------


def in_child(check: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            check()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_raises_and_leaves_the_parent_alone(kind: str, peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        client = to_peer(peer(gate))
        await client.connect()
        reply = client.get("first")
        await turns(2)

        def child() -> None:
            nonlocal client, reply
            assert not client.connected
            for call in (lambda: client.get("second"), client.close, client.drain, reply.cancel):
                with pytest.raises(ConnectionLostError, match="belongs to the parent"):
                    call()  # type: ignore[no-untyped-call, unused-ignore]

            async def anew() -> None:
                for call in (lambda: client.get("second"), client.close):
                    with pytest.raises(ConnectionLostError, match="belongs to the parent"):
                        call()  # type: ignore[no-untyped-call, unused-ignore]

            loop: Any = asyncio.SelectorEventLoop()
            asyncio._set_running_loop(None)
            loop.run_until_complete(anew())
            client = reply = None  # type: ignore[assignment]
            gc.collect()

        in_child(child)
        gate.allow(2)
        assert await reply == b"first"
        assert await client.get("third") == b"third"
        assert gate.asked == [b"first", b"third"]
        await client.close()

    if kind == "uvloop":
        pytest.skip("a child of uvloop cannot make loops")
    run_in(kind, main)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_client_of_a_parent_is_dropped_in_the_child(unix_server: Server) -> None:
    async def main() -> None:
        clients = [connect(unix_server)]
        await clients[0].ping()
        in_child(clients.clear)
        for _ in range(10):
            await clients[0].ping()  # the loop of the parent still watches it
        await clients[0].close()

    run_in("asyncio", main)


# -- leaks ---------------------------------------------------------------------------------------


def test_nothing_leaks(kind: str, unix_server: Server, prefix: str) -> None:
    """Through each way in which a Reply can end, in loops that come and go. What is looked for are
    blocks of a Reply, of which each round has a hundred: a loop leaves one behind, whatever
    runs."""

    async def main() -> None:
        client = connect(unix_server, pipeline_window=4)
        replies: list[Coroutine[Any, Any, Any]] = []
        for number in range(20):
            replies += [client.get(f"{prefix}{number}"), client.count(prefix)]
            replies += [client.get("bad key"), client.get(1)]  # type: ignore[arg-type]
            replies += [client.pipeline().get("a").ping().execute(), client.keys(prefix)]
            lost = client.get("lost")
            replies.append(lost)
            if number % 3 == 0:
                lost.cancel()
        tasks = [asyncio.ensure_future(reply) for reply in replies]
        await turns(2)
        for task in tasks[::7]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client.timeout = 1
        replies = [client.get(str(number)) for number in range(9)]
        await asyncio.gather(*replies, return_exceptions=True)
        await client.close()

    def blocks(rounds: int) -> int:
        for _ in range(rounds):
            loop = new_loop(kind)
            loop.run_until_complete(main())
            loop.close()
        gc.collect()
        return sys.getallocatedblocks()

    blocks(10)
    before = blocks(40)
    grown = blocks(40) - before
    assert grown < 40 * 10
