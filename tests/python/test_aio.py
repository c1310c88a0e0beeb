"""What pygibson.aio has beside the blocking Client: many tasks on one connection, cancellation,
timeouts, and what a Reply is. Its commands, arguments and errors are tested with those of the
blocking one: see looped.py. Tests that are named after an issue are of mistakes of other
clients."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any, Callable, TypeVar
from unittest import mock

import pytest
from loops import KINDS, Gate, run_in, turns, until
from peer import Connection, Peer, echo_keys, silence, value
from pygibson import (
    ConnectionLostError,
    InvalidArgumentError,
    NotFoundError,
    PipelineError,
    PyGibsonError,
    Server,
    ServerTimeoutError,
    UnreachableError,
    UsageError,
)
from pygibson.aio import Client, Pipeline, Reply

T = TypeVar("T")
Run = Callable[[Callable[[], Coroutine[Any, Any, T]]], T]
Start = Callable[..., Peer]

PATIENT = 30_000


@pytest.fixture(params=KINDS)
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return lambda main: run_in(request.param, main)


def connect(server: Server, **options: Any) -> Client:
    return Client(**{"timeout": PATIENT, **server.address, **options})


def to_peer(peer: Peer, **options: Any) -> Client:
    return Client(**{"timeout": PATIENT, "unix_socket": peer.path, **options})


# -- the ways to wait for a Reply ----------------------------------------------------------------


def test_all_that_waits_for_futures_waits_for_replies(
    run: Run[None], server: Server, prefix: str
) -> None:
    async def main() -> None:
        async with connect(server) as client:
            await client.set(prefix, "1")
            assert await client.get(prefix) == b"1"
            both: Any = await asyncio.gather(client.get(prefix), client.inc(prefix))
            assert both == [b"1", 2]
            assert await asyncio.wait_for(client.get(prefix), 30) == 2
            assert await asyncio.create_task(client.get(prefix)) == 2
            assert await asyncio.ensure_future(client.get(prefix)) == 2
            assert await asyncio.shield(client.get(prefix)) == 2
            for each in asyncio.as_completed([client.get(prefix), client.get(prefix)]):
                assert await each == 2
            tasks = {asyncio.create_task(client.get(prefix + name)) for name in ("", "no")}
            done, pending = await asyncio.wait(tasks)
            assert done == tasks and not pending
            assert {type(task.exception()) for task in tasks} == {type(None), NotFoundError}
            assert [await each for each in [client.get(prefix)] * 3] == [2] * 3  # the same one

    run(main)


def test_a_loop_runs_until_a_reply_is_done(server: Server, prefix: str) -> None:
    loop = asyncio.new_event_loop()
    client = connect(server)

    async def ask() -> Reply[int]:
        return client.inc(prefix)

    assert loop.run_until_complete(loop.run_until_complete(ask())) == 1
    loop.close()


def test_gather_passes_exceptions_and_cancellations_on(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            replies = [client.get(str(number)) for number in range(5)]
            both = asyncio.gather(*replies, client.get("bad key"), return_exceptions=True)
            replies[1].cancel()
            gate.allow(5)
            results = await both
            assert results[0] == b"0"
            assert type(results[1]) is asyncio.CancelledError
            assert results[2:5] == [b"2", b"3", b"4"]
            assert type(results[5]) is InvalidArgumentError
            two = asyncio.gather(client.get("a"), client.get("b"))
            two.cancel()
            with pytest.raises(asyncio.CancelledError):
                await two
            gate.allow(3)
            assert await client.get("c") == b"c"

    run(main)


def test_methods_of_a_reply(run: Run[None], peer: Start) -> None:
    gate = Gate()
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            reply = client.get("key")
            called: list[tuple[str, int]] = []

            def note(name: str) -> Callable[[Reply[Any]], None]:
                return lambda done: called.append((name, variable.get())) if done is reply else None

            assert reply.get_loop() is asyncio.get_running_loop()
            assert not reply.done() and not reply.cancelled()
            for method in (reply.result, reply.exception):
                with pytest.raises(asyncio.InvalidStateError):
                    method()
            context = contextvars.copy_context()
            context.run(variable.set, 7)
            gone = note("gone")
            reply.add_done_callback(gone)
            reply.add_done_callback(note("first"))
            reply.add_done_callback(note("second"), context=context)
            reply.add_done_callback(gone)
            assert reply.remove_done_callback(gone) == 2
            assert reply.remove_done_callback(gone) == 0
            assert "get() on" in repr(reply) and "pending" in repr(reply)
            gate.allow(1)
            assert await reply == b"key"
            await turns(2)
            assert called == [("first", 0), ("second", 7)]
            reply.add_done_callback(note("late"))
            assert len(called) == 2  # not at once
            await turns(2)
            assert called[2] == ("late", 0)
            assert reply.done() and not reply.cancelled() and not reply.cancel()
            assert reply.result() == b"key" and reply.exception() is None
            assert "done" in repr(reply)
            assert weakref.ref(reply)() is reply
            calls: tuple[Callable[[], object], ...] = (
                lambda: reply.add_done_callback(),  # type: ignore[call-arg]
                lambda: reply.add_done_callback(1, 2),  # type: ignore[call-arg, arg-type]
                lambda: reply.add_done_callback(1, other=2),  # type: ignore[call-arg, arg-type]
                lambda: reply.cancel(1, 2),  # type: ignore[call-arg]
                lambda: reply.cancel(other=1),  # type: ignore[call-arg]
                lambda: Reply(),
                lambda: reply.throw(1),
            )
            for call in calls:
                with pytest.raises(TypeError):
                    call()

    run(main)


def test_what_a_callback_raises_is_told_to_the_loop(unix_server: Server, prefix: str) -> None:
    loop = asyncio.new_event_loop()
    told: list[Any] = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))

    async def main() -> None:
        async with connect(unix_server) as client:
            reply = client.count(prefix)
            reply.add_done_callback(lambda _: 1 / 0)
            assert await reply == 0
            assert await client.count(prefix) == 0

    loop.run_until_complete(main())
    loop.close()
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_an_exception_that_nobody_asks_for_is_told_to_the_loop(unix_server: Server) -> None:
    loop = asyncio.new_event_loop()
    told: list[Any] = []
    loop.set_exception_handler(lambda _, context: told.append(context))

    async def main() -> None:
        async with connect(unix_server) as client:
            client.get("bad key")
            replies = [client.get("none"), client.get("bad key"), client.get("bad key")]
            await client.ping()
            assert type(replies[1].exception()) is InvalidArgumentError
            replies[2].cancel()

    loop.run_until_complete(main())
    loop.close()
    kinds = {type(each["exception"]) for each in told}
    assert len(told) == 2 and kinds == {InvalidArgumentError, NotFoundError}
    assert {each["message"] for each in told} == {"Reply exception was never retrieved"}


def test_a_reply_that_is_dropped_goes_on(run: Run[None], server: Server, prefix: str) -> None:
    async def main() -> None:
        async with connect(server) as client:
            for number in range(10):
                client.set(f"{prefix}{number}", "1")
            assert await client.count(prefix) == 10

    run(main)


def test_values_may_change_after_the_call(run: Run[None], server: Server, prefix: str) -> None:
    async def main() -> None:
        async with connect(server, pipeline_window=1) as client:
            values = [bytearray(b"before") for _ in range(3)]
            replies = [client.set(f"{prefix}{at}", value) for at, value in enumerate(values)]
            for each in values:
                each[:] = b"after!"
            await asyncio.gather(*replies)
            assert set((await client.mget(prefix)).values()) == {b"before"}

    run(main)


def test_bad_arguments_are_raised_at_the_await(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            calls: dict[Callable[[], Reply[Any]], type[Exception]] = {
                lambda: client.get(1): TypeError,  # type: ignore[arg-type]
                lambda: client.get(): TypeError,  # type: ignore[call-arg]
                lambda: client.get("a b"): InvalidArgumentError,
                lambda: client.set("k", memoryview(b"abcd")[::2]): BufferError,
                lambda: client.ttl("k", 1 << 99): InvalidArgumentError,
            }
            for call, kind in calls.items():
                reply = call()
                with pytest.raises(kind):
                    await reply
                with pytest.raises(kind):  # and at each further one
                    await reply
            gate.allow(1)
            assert await client.get("key") == b"key"
            assert gate.asked == [b"key"]

    run(main)


def test_a_task_that_repeats_what_is_refused_leaves_the_loop_to_others(run: Run[None]) -> None:
    client = Client(unix_socket="/nowhere", reconnect=True, reconnect_delay=60_000)

    async def main() -> None:
        end = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.05, end.set_result, None)
        while not end.done():
            with pytest.raises(UnreachableError):
                await client.get("key")

    run(main)


# -- connecting and closing ----------------------------------------------------------------------


def test_the_first_command_connects(run: Run[None], server: Server, prefix: str) -> None:
    async def main() -> None:
        client = connect(server)
        assert not client.connected
        assert "not connected" in repr(client)
        assert await asyncio.gather(*(client.count(prefix) for _ in range(9))) == [0] * 9
        assert client.connected
        assert repr(client) == f"<pygibson.aio.Client {client.server}, connected>"
        await client.close()
        await client.close()
        assert repr(client).endswith("closed>")
        with pytest.raises(ConnectionLostError, match="the client is closed"):
            await client.count(prefix)
        with pytest.raises(ConnectionLostError, match="the client is closed"):
            await client.pipeline().count(prefix).execute()
        await asyncio.gather(client.connect(), client.connect())
        assert await client.count(prefix) == 0
        await client.connect()  # anew
        assert await client.count(prefix) == 0
        await client.aclose()
        async with client as same, client:
            assert same is client
            assert await client.count(prefix) == 0
        assert not client.connected

    run(main)


def test_connecting_fails_for_all_that_wait(run: Run[None], short_path: Callable[[], str]) -> None:
    async def main() -> None:
        client = Client(unix_socket=short_path(), timeout=PATIENT)
        replies: list[Reply[Any]] = [client.get("key"), client.connect(), client.connect()]
        replies.append(client.pipeline().get("key").execute())
        results = await asyncio.gather(*replies, return_exceptions=True)
        assert [type(each) for each in results] == [UnreachableError] * 4
        with pytest.raises(ConnectionLostError):  # without reconnect, connect has to be called
            await client.get("key")
        with pytest.raises(UnreachableError):
            async with client:
                raise AssertionError

    run(main)


def test_a_host_name_is_resolved_without_waiting(run: Run[None]) -> None:
    with Server(port=0) as server:

        async def main() -> None:
            assert server.port is not None
            async with Client("localhost", server.port, timeout=PATIENT) as client:
                await client.ping()

        run(main)


def test_close_ends_what_is_under_way(run: Run[None], peer: Start) -> None:
    async def main() -> None:
        client = to_peer(peer(silence), pipeline_window=3)
        await client.connect()
        replies: list[Reply[Any]] = [client.get(str(number)) for number in range(5)]
        replies.append(client.pipeline().get("a").get("b").execute())
        await turns(3)
        await client.close()
        results = await asyncio.gather(*replies, return_exceptions=True)
        assert [type(each) for each in results] == [ConnectionLostError] * 6

    run(main)


def test_drain_waits_for_what_is_under_way(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        client = to_peer(peer(gate), pipeline_window=2)
        replies = [client.get(str(number)) for number in range(5)]
        drains = [client.drain(), client.drain()]
        with pytest.raises(ConnectionLostError, match="closed"):
            await client.get("too late")
        assert not drains[0].done()
        gate.allow(5)
        await asyncio.gather(*drains)
        assert [each.result() for each in replies] == [b"0", b"1", b"2", b"3", b"4"]
        assert not client.connected
        await client.drain()

    run(main)


def test_quit(run: Run[None], server: Server, prefix: str) -> None:
    async def main() -> None:
        client = connect(server, pipeline_window=2)
        await client.quit()  # nobody is there
        await client.connect()
        replies: list[Reply[Any]] = [client.count(prefix) for _ in range(5)]
        replies.append(client.quit())
        with pytest.raises(ConnectionLostError, match="closed"):
            await client.count(prefix)
        assert await asyncio.gather(*replies) == [0, 0, 0, 0, 0, None]
        await until(lambda: not client.connected)

    run(main)


def test_reconnect(run: Run[None], peer: Start) -> None:
    def hang_up(connection: Connection) -> None:
        connection.request()

    async def main() -> None:
        client = to_peer(peer(hang_up, echo_keys), reconnect=True)
        with pytest.raises(ConnectionLostError):
            await client.get("lost")
        assert await asyncio.gather(*(client.get(str(each)) for each in range(9))) == [
            b"%d" % each for each in range(9)
        ]
        await client.close()
        client = to_peer(peer(hang_up, echo_keys))
        with pytest.raises(ConnectionLostError):
            await client.get("lost")
        with pytest.raises(ConnectionLostError):
            await client.get("lost too")
        await client.connect()
        assert await client.get("found") == b"found"
        await client.close()

    run(main)


def test_a_lost_command_is_repeated_where_asked(run: Run[None], peer: Start) -> None:
    def hang_up(connection: Connection) -> None:
        connection.request()

    async def main() -> None:
        options = {"reconnect": True, "retry_repeatable": True}
        started = peer(hang_up, hang_up, echo_keys)
        client = to_peer(started, **options)
        results = await asyncio.gather(
            client.get("a"), client.ttl("b", 1), client.inc("c"), return_exceptions=True
        )
        assert {type(each) for each in results} == {ConnectionLostError}  # twice is enough
        assert await client.get("d") == b"d"
        await client.close()
        client = to_peer(peer(hang_up, echo_keys), **options)
        got, change = await asyncio.gather(client.get("a"), client.inc("c"), return_exceptions=True)
        assert got == b"a"
        assert type(change) is ConnectionLostError
        await client.close()

    run(main)


# -- timeouts ------------------------------------------------------------------------------------


def test_a_timeout_leaves_the_others_alone(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            assert client.timeout == PATIENT
            patient = client.get("patient")
            client.timeout = 30
            impatient = client.get("impatient")
            with pytest.raises(ServerTimeoutError, match="timeout of 30 ms"):
                await impatient
            client.timeout = None
            assert client.timeout is None
            later = client.get("later")
            gate.allow(3)
            assert await patient == b"patient"
            assert await later == b"later"
            for bad, kind in ((0, InvalidArgumentError), ("1", TypeError)):
                with pytest.raises(kind):
                    client.timeout = bad  # type: ignore[assignment]
            with pytest.raises(AttributeError):
                del client.timeout

    run(main)


def test_a_silent_server_is_given_up(run: Run[None], peer: Start) -> None:
    async def main() -> None:
        client = to_peer(peer(silence, echo_keys), timeout=30, reconnect=True)
        with pytest.raises(ServerTimeoutError):
            await client.get("first")
        await until(lambda: not client.connected)
        client.timeout = PATIENT
        assert await client.get("second") == b"second"
        await client.close()

    run(main)


@pytest.mark.parametrize("before", [20, None])
def test_a_timeout_that_is_set_counts_for_the_silence_of_the_server_too(
    run: Run[None], peer: Start, before: int | None
) -> None:
    """The longest that was set; but not none at all, once there is one."""
    gate = Gate()

    async def main() -> None:
        client = to_peer(peer(gate if before else silence), timeout=before)
        client.timeout = 5_000 if before else 20
        if not before:
            with pytest.raises(ServerTimeoutError):
                await client.get("key")
            await until(lambda: not client.connected)
            return
        client.timeout = before
        with pytest.raises(ServerTimeoutError):
            await client.get("early")
        client.timeout = PATIENT
        late = client.get("late")
        await asyncio.sleep(0.06)  # more than the first
        gate.allow(2)
        assert await late == b"late"
        await client.close()

    run(main)


def test_emcache_114_each_request_meets_its_own_deadline_in_a_black_hole(
    run: Run[None], peer: Start
) -> None:
    """Those that wait for room too, and batches."""

    async def timed(reply: Reply[Any]) -> float:
        start = time.monotonic()
        with pytest.raises((ServerTimeoutError, ConnectionLostError)):
            await reply
        return time.monotonic() - start

    async def main() -> None:
        client = to_peer(peer(silence), timeout=100, pipeline_window=4)
        await client.connect()
        waits = []
        for number in range(10):
            waits.append(asyncio.ensure_future(timed(client.get(str(number)))))
            waits.append(asyncio.ensure_future(timed(client.pipeline().get("a").execute())))
            await asyncio.sleep(0.002)
        assert max(await asyncio.gather(*waits)) < 5
        await client.close()

    run(main)


def test_waiting_for_room_ends_with_the_timeout(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate), pipeline_window=2) as client:
            first = [client.get("0"), client.get("1")]
            client.timeout = 30
            late = [client.get("2"), client.pipeline(raise_on_error=False).get("3").execute()]
            for reply in late:
                with pytest.raises(ServerTimeoutError, match="waiting for room"):
                    await reply
            client.timeout = PATIENT
            last = client.get("4")
            gate.allow(9)
            assert await asyncio.gather(*first, last) == [b"0", b"1", b"4"]
            assert gate.asked == [b"0", b"1", b"4"]

    run(main)


def test_wait_for_cancels_the_request(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            for _ in range(20):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.get("lost"), 0.001)
            gate.allow(99)
            assert await client.get("found") == b"found"

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is new in 3.11")
def test_asyncio_timeout_cancels_the_request(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):  # type: ignore[attr-defined, unused-ignore]
                    await client.get("lost")
            gate.allow(2)
            assert await client.get("found") == b"found"

    run(main)


# -- cancellation --------------------------------------------------------------------------------


async def work(client: Client, prefix: str) -> None:
    """Something to be cancelled anywhere within."""
    async with client:
        await client.set(prefix + "a", "of a")
        await client.get(prefix + "a")
        await client.mget(prefix)
        async with client.pipeline() as batch:
            batch.set(prefix + "b", "of b").get(prefix + "b").keys(prefix)
        await asyncio.gather(client.get(prefix + "a"), client.get(prefix + "b"))
        await client.quit()


@pytest.mark.parametrize("window", [None, 1])
def test_redis_py_2624_2632_2665_2695_cancelled_at_every_await_no_reply_is_anothers(
    run: Run[None], server: Server, prefix: str, window: int | None
) -> None:
    async def main() -> None:
        bystander = connect(server)
        for number in range(20):
            await bystander.set(f"{prefix}{number}", f"value of {number}")
        completed = False
        step = 0
        while not completed:
            client = connect(server, pipeline_window=window)
            task = asyncio.ensure_future(work(client, prefix + "work."))
            await turns(step)
            if step > 20:
                await asyncio.sleep(step * 0.0002)
            completed = task.done() or not task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not client.connected:
                await client.connect()
            for number in range(20):
                assert await client.get(f"{prefix}{number}") == b"value of %d" % number
            await client.close()
            step += 1
        assert step > 5
        await bystander.close()

    run(main)


def test_redis_py_2624_a_cancelled_get_of_many_tasks(
    run: Run[None], server: Server, prefix: str
) -> None:
    """On one connection, of which each request is cancelled or not: the others get their own."""

    async def main() -> None:
        async with connect(server) as client:
            for number in range(100):
                await client.set(f"{prefix}{number}", f"value of {number}")
            for number in range(20):
                replies = [client.get(f"{prefix}{each}") for each in range(100)]
                await turns(number % 4)
                for each in range(number % 3, 100, 3):
                    replies[each].cancel()
                results = await asyncio.gather(*replies, return_exceptions=True)
                for at, result in enumerate(results):
                    if not replies[at].cancelled():
                        assert result == b"value of %d" % at

    run(main)


def test_aiomcache_489_cancelled_in_the_middle_of_a_reply(run: Run[None], peer: Start) -> None:
    release = threading.Event()
    whole = value(b"v" * 1000)

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(whole[:500])
        assert release.wait(30)
        connection.send(whole[500:])
        echo_keys(connection)

    async def main() -> None:
        async with to_peer(peer(script)) as client:
            task = asyncio.ensure_future(client.get("first"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            release.set()
            for number in range(100):
                assert await client.get(str(number)) == b"%d" % number

    try:
        run(main)
    finally:
        release.set()


@pytest.mark.parametrize("kind", KINDS)
def test_aiomcache_489_a_task_that_ends_the_loop(kind: str, unix_server: Server) -> None:
    """What is no Exception goes through the loop, as asyncio has it; nothing is lost by that."""
    from loops import new_loop

    loop = new_loop(kind)
    client = connect(unix_server)

    async def end() -> None:
        await client.ping()
        raise KeyboardInterrupt

    async def others() -> list[int]:
        return await asyncio.gather(*(client.count(f"none{number}") for number in range(5)))

    ending = loop.create_task(end())
    waiting = loop.create_task(others())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(waiting)
    assert loop.run_until_complete(waiting) == [0] * 5
    assert isinstance(ending.exception(), KeyboardInterrupt)
    loop.run_until_complete(asyncio.wait_for(others(), 30))

    async def close() -> None:
        await client.close()

    loop.run_until_complete(close())
    loop.close()


def test_valkey_glide_5487_after_chaos_the_window_is_whole(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate), pipeline_window=4) as client:
            for number in range(60):
                client.timeout = 1 if number % 5 == 0 else PATIENT
                replies: list[Reply[Any]] = [client.get(f"{number}.{each}") for each in range(6)]
                replies.append(client.pipeline().get("a").get("b").execute())
                await turns(number % 3)
                gate.allow(number % 7)
                for reply in replies[number % 4 :]:
                    reply.cancel()
                if number % 4:
                    gate.allow(100)
                await asyncio.gather(*replies, return_exceptions=True)
            gate.allow(10_000)
            client.timeout = PATIENT
            assert await client.get("quiet") == b"quiet"
            gate._allowed = 0
            before = len(gate.asked)
            replies = [client.get(str(each)) for each in range(5)]
            await until(lambda: len(gate.asked) == before + 4)
            await asyncio.sleep(0.02)
            assert len(gate.asked) == before + 4  # four under way, and one that waits
            gate.allow(100)
            assert await asyncio.gather(*replies) == [b"0", b"1", b"2", b"3", b"4"]

    run(main)


def test_a_cancelled_request_that_was_not_sent_never_is(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            reply = client.get("never")
            assert reply.cancel(msg="no more")
            assert reply.cancelled() and "cancelled" in repr(reply)
            with pytest.raises(asyncio.CancelledError, match="no more"):
                await reply
            with pytest.raises(asyncio.CancelledError):
                reply.exception()
            gate.allow(1)
            assert await client.get("sent") == b"sent"
            assert gate.asked == [b"sent"]

    run(main)


def test_a_task_that_is_cancelled_before_its_first_step_takes_the_request_back(
    run: Run[None], peer: Start
) -> None:
    async def main() -> None:
        async with to_peer(peer(silence)) as client:
            task = asyncio.create_task(client.get("key"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        # else the loop is told now of an exception that nobody could ask for

    run(main)


def test_connecting_that_is_cancelled_leaves_nothing(run: Run[None], peer: Start) -> None:
    async def main() -> None:
        client = to_peer(peer(echo_keys))
        reply = client.connect()
        reply.cancel()
        await turns(5)
        assert not client.connected
        first, second = client.connect(), client.connect()
        first.cancel()
        await second
        assert await client.get("key") == b"key"
        await client.close()

    run(main)


def test_shielded_requests_go_on(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            inner = client.get("inner")

            async def shielding() -> object:
                return await asyncio.shield(inner)

            task = asyncio.ensure_future(shielding())
            await turns(2)
            task.cancel()
            gate.allow(1)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await inner == b"inner"

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup is new in 3.11")
def test_task_groups(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate)) as client:
            gate.allow(3)
            async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined, unused-ignore]
                tasks = [group.create_task(client.get(str(each))) for each in range(3)]
            assert [task.result() for task in tasks] == [b"0", b"1", b"2"]
            with pytest.raises(BaseException) as caught:
                async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined, unused-ignore]
                    tasks = [group.create_task(client.get("lost")) for each in range(3)]
                    group.create_task(client.get("bad key"))
            assert [type(each) for each in caught.value.exceptions] == [  # type: ignore[attr-defined]
                InvalidArgumentError
            ]
            assert all(task.cancelled() for task in tasks)
            gate.allow(9)
            assert await client.get("found") == b"found"

    run(main)


# -- the window ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"pipeline_window": 3}, {"pipeline_bytes": 100}])
def test_requests_keep_their_order(run: Run[None], peer: Start, options: dict[str, int]) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate), **options) as client:
            replies: list[Reply[Any]] = []
            for number in range(0, 60, 3):
                replies.append(client.get(f"{number}"))
                replies.append(
                    client.pipeline().get(f"{number + 1}").get(f"{number + 2}").execute()
                )
                if number % 4 == 0:
                    await turns(1)
            gate.allow(60)
            await asyncio.gather(*replies)
            assert gate.asked == [b"%d" % number for number in range(60)]

    run(main)


def test_cancelled_while_waiting_for_room(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate), pipeline_window=2) as client:
            replies: list[Reply[Any]] = [client.get(str(number)) for number in range(8)]
            replies.append(client.pipeline().get("8").get("9").get("10").execute())
            replies.append(client.get("11"))
            for at in (2, 4, 7, 8):
                replies[at].cancel()
            gate.allow(99)
            results = await asyncio.gather(*replies, return_exceptions=True)
            assert [type(each) for each in results] == [
                asyncio.CancelledError if at in (2, 4, 7, 8) else bytes for at in range(10)
            ]
            assert gate.asked == [b"0", b"1", b"3", b"5", b"6", b"11"]

    run(main)


# -- batches -------------------------------------------------------------------------------------


def test_a_batch_leaves_in_one_turn_with_what_else_was_asked(run: Run[None], peer: Start) -> None:
    received: list[bytes] = []

    def script(connection: Connection) -> None:
        received.append(connection.end.recv(65536))
        connection.wait_for_end()

    async def main() -> None:
        client = to_peer(peer(script))
        await client.connect()
        batch = client.pipeline()
        for number in range(100):
            batch.get(f"key{number:03}")
        replies: list[Reply[Any]] = [client.get("before"), batch.execute(), client.get("after")]
        await until(lambda: received)
        assert received[0].count(b"key") == 100
        assert b"before" in received[0] and b"after" in received[0]
        await client.close()
        await asyncio.gather(*replies, return_exceptions=True)

    run(main)


def test_a_batch_that_is_cancelled(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate), pipeline_window=4) as client:
            for count in (1, 3, 4, 9):
                batch = client.pipeline()
                for number in range(count):
                    batch.get(f"lost{number}")
                reply = batch.execute()
                await turns(2)
                reply.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reply
                assert batch.results is None
            gate.allow(99)
            assert await client.pipeline().get("a").get("b").execute() == [b"a", b"b"]

    run(main)


def test_a_batch_in_which_an_operation_times_out(run: Run[None], peer: Start) -> None:
    gate = Gate()

    async def main() -> None:
        async with to_peer(peer(gate), timeout=100, pipeline_window=3) as client:
            gate.allow(2)
            batch = client.pipeline(raise_on_error=False)
            for number in range(9):
                batch.get(str(number))
            with pytest.raises(ServerTimeoutError):
                await batch.execute()
            assert batch.results is not None
            assert batch.results[:2] == [b"0", b"1"]
            assert type(batch.results[2]) is ServerTimeoutError
            assert {type(each) for each in batch.results[3:]} == {ConnectionLostError}

    run(main)


def test_batches_at_once(run: Run[None], server: Server, prefix: str) -> None:
    async def one(client: Client, number: int) -> None:
        async with client.pipeline(raise_on_error=False) as batch:
            for at in range(50):
                key = f"{prefix}{number}.{at}"
                batch.set(key, f"{number} {at}").get(key).get(key + "no")
        results = batch.results
        assert results is not None and len(results) == 150
        for at in range(50):
            assert results[3 * at : 3 * at + 2] == [None, b"%d %d" % (number, at)]
            assert type(results[3 * at + 2]) is NotFoundError
        with pytest.raises(PipelineError):
            await client.pipeline().get(prefix + "no").execute()

    async def main() -> None:
        async with connect(server, pipeline_window=64) as client:
            await asyncio.gather(*(one(client, number) for number in range(20)))
            assert await client.mdl(prefix) == 1000

    run(main)


def test_the_body_of_async_with_raises(run: Run[None], server: Server, prefix: str) -> None:
    async def main() -> None:
        async with connect(server) as client:
            with pytest.raises(ZeroDivisionError):
                async with client.pipeline() as batch:
                    batch.set(prefix, "1")
                    raise ZeroDivisionError
            assert await client.count(prefix) == 0
            with pytest.raises(TypeError):
                Pipeline(1)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                client.pipeline(1)  # type: ignore[misc, call-arg, arg-type, unused-ignore]

    run(main)


# -- large replies -------------------------------------------------------------------------------


def fill(server: Server, prefix: str, count: int) -> None:
    with server.client(timeout=PATIENT) as client, client.pipeline() as batch:
        for number in range(count):
            batch.set(f"{prefix}{number}", f"value of {number}")


def test_objects_of_large_replies_are_made_in_many_turns(
    run: Run[None], server: Server, prefix: str
) -> None:
    count = 30_000
    fill(server, prefix, count)
    expected = {f"{prefix}{number}": b"value of %d" % number for number in range(count)}

    async def main() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        async with connect(server) as client:
            ticking = asyncio.ensure_future(tick())
            small = client.mget(prefix, 3)
            large: list[Reply[Any]] = [client.mget(prefix), client.keys(prefix)]
            large.append(client.pipeline().mget(prefix).count(prefix).keys(prefix).execute())
            assert len(await small) == 3
            while client.connected and not any(each.done() for each in large):
                before = ticks
                await client.ping()  # answers come in between
                assert ticks >= before
            results = await asyncio.gather(*large)
            assert ticks > 2 * count / 1000
            keys = sorted(name.encode() for name in expected)
            assert results[0] == expected
            assert sorted(results[1]) == keys
            assert results[2][0] == expected and results[2][1] == count
            assert sorted(results[2][2]) == keys
            ticking.cancel()

    run(main)


def test_large_replies_that_are_cancelled_on_the_way(
    run: Run[None], server: Server, prefix: str
) -> None:
    fill(server, prefix, 5000)

    async def main() -> None:
        async with connect(server) as client:
            for number in range(12):
                replies: list[Reply[Any]] = [client.mget(prefix), client.keys(prefix)]
                replies.append(client.pipeline().mget(prefix).keys(prefix).execute())
                others = client.mget(prefix)
                await asyncio.sleep(number * 0.001)
                for reply in replies:
                    reply.cancel()
                assert len(await others) == 5000
        await client.connect()
        replies = [client.mget(prefix), client.keys(prefix)]
        await asyncio.sleep(0.005)
        await client.close()
        await asyncio.gather(*replies, return_exceptions=True)

    run(main)


# -- the rest ------------------------------------------------------------------------------------


def test_tasks_keep_their_context_and_name(run: Run[None], server: Server, prefix: str) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def one(client: Client, number: int) -> None:
        variable.set(number)
        task = asyncio.current_task()
        for _ in range(20):
            await client.count(prefix)
            assert variable.get() == number
            assert asyncio.current_task() is task

    async def main() -> None:
        async with connect(server) as client:
            await asyncio.gather(*(one(client, number) for number in range(20)))

    run(main)


def test_a_task_that_takes_its_time_has_the_whole_timeout(run: Run[None], server: Server) -> None:
    """It is resumed in the turn in which its reply has come, whose time is not that of the call."""

    async def one(client: Client) -> None:
        for _ in range(5):
            await client.ping()
            time.sleep(0.15)

    async def main() -> None:
        async with connect(server, timeout=100) as client:
            await client.ping()
            await asyncio.gather(one(client))

    run(main)


def test_not_initialised() -> None:
    client = Client.__new__(Client)
    for call in (
        lambda: client.get("key"),
        client.connect,
        client.close,
        client.drain,
        lambda: client.timeout,
        lambda: client.pipeline().get("key").execute(),
    ):
        with pytest.raises(UsageError, match="not called"):
            call()  # type: ignore[no-untyped-call, unused-ignore]
    assert not client.connected
    assert "not initialised" in repr(client)


def test_a_method_can_be_mocked(run: Run[None], server: Server) -> None:
    async def main() -> None:
        client = connect(server)
        with mock.patch.object(client, "get", mock.AsyncMock(return_value=b"mocked")):
            assert await client.get("key") == b"mocked"
        with pytest.raises(PyGibsonError):
            await client.get("key")
        await client.close()

    run(main)


def test_subclass(run: Run[None], server: Server, prefix: str) -> None:
    class Text(Client):
        async def text(self, key: str) -> str:
            got = await self.get(key)
            return got.decode() if isinstance(got, bytes) else str(got)

    async def main() -> None:
        async with Text(**server.address, timeout=PATIENT) as client:
            await client.set(prefix, "text")
            assert await client.text(prefix) == "text"
            assert type(client) is Text

    run(main)
