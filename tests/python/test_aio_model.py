"""Thousands of tasks on a few connections, with random cancellations, timeouts and faults on the
way: every answer is the one of its own request, or an exception; and afterwards nothing is under
way.

    GIBSON_TEST_SEED=n     begins with this seed, which a failure has printed
    GIBSON_TEST_COUNT=n    runs so many rounds (one, to replay a failure)
    GIBSON_TEST_SECONDS=n  runs rounds for so long; by default 2 seconds for each loop
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

import pytest
from loops import KINDS, loop_of
from pygibson import (
    ConnectionLostError,
    NotFoundError,
    Proxy,
    PyGibsonError,
    Server,
    ServerTimeoutError,
    UnreachableError,
)
from pygibson.aio import Client

PATIENT = 30_000
SHARED = 200  # keys that stay as they are
STEPS = 8  # of a task
LATE = 10  # seconds that a busy machine may take beyond a deadline
LOST = (ServerTimeoutError, ConnectionLostError, UnreachableError)


def shared_value(number: int) -> bytes:
    return b"%d of the shared " % number + b"x" * (number % 70)


class World:
    def __init__(self, seed: int, proxy: Proxy, server: Server) -> None:
        self.chance = random.Random(seed)
        self.prefix = f"aio{seed}."
        self.proxy = proxy
        self.server = server
        self.answers = 0
        self.losses = 0
        self.faults = self.chance.choice((0.01, 0.1))  # a step of the trouble
        self.clients: list[Client] = []

    def connect(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            options: dict[str, Any] = {}
            if self.chance.random() < 0.6:
                options["pipeline_window"] = self.chance.choice((1, 2, 5, 30))
            if self.chance.random() < 0.3:
                options["pipeline_bytes"] = self.chance.choice((50, 500))
            if self.chance.random() < 0.3:
                options["retry_repeatable"] = True
            self.clients.append(
                Client(
                    **self.proxy.address, timeout=self.chance.choice((50, 300, 2000)),
                    reconnect=True, reconnect_delay=1, reconnect_max_delay=2, **options,
                )
            )  # fmt: skip

    def fault(self) -> None:
        if self.chance.random() < 0.2:
            self.proxy.drop()
            return
        # No black holes: one that is healed has taken bytes out of the middle of a stream, and no
        # client can tell. A hold without a time is as silent, and what it has kept comes late.
        at = self.chance.choice((0, 7, self.chance.randrange(3000)))
        milliseconds = self.chance.randrange(1, 40)
        fault = self.chance.choice(
            (
                f"delay@{at}={milliseconds}", f"hold@{at}={milliseconds}", f"dribble@{at}=0",
                f"hold@{at}", f"cut@{at}", f"reset@{at}", f"half-close@{at}",
            )
        )  # fmt: skip
        self.proxy.heal()  # else there are too many some time
        self.proxy.fault(f"{self.chance.choice(('request', 'reply'))}:{fault}")


class Task:
    """One task of many. Its key is its own, with the value that it has; None: it is not known."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.chance = random.Random(world.chance.random())
        self.number = number
        self.key = f"{world.prefix}own{number}"
        self.value: bytes | int | None = None

    async def run(self) -> None:
        for _ in range(self.chance.randint(1, STEPS)):
            client = self.chance.choice(self.world.clients)
            step = self.chance.choice(
                (self.read, self.read, self.read_many, self.change, self.batch, self.big)
            )
            try:
                if self.chance.random() < 0.01:
                    await client.connect()  # those of all others are lost
                await step(client)
                self.world.answers += 1
            except LOST:
                self.world.losses += 1

    async def read(self, client: Client) -> None:
        number = self.chance.randrange(SHARED)
        key = f"{self.world.prefix}shared{number}."
        timeout = client.timeout
        assert timeout is not None
        end = time.monotonic() + timeout / 1000 + LATE
        try:
            await self.read_key(client, key, number)
        finally:
            assert time.monotonic() < end

    async def read_key(self, client: Client, key: str, number: int) -> None:
        reading = client.get(key)
        if self.chance.random() < 0.1:
            reading.cancel()
        elif self.chance.random() < 0.1:
            limit = self.chance.random() * 0.01
            try:
                assert await asyncio.wait_for(reading, limit) == shared_value(number)
            except asyncio.TimeoutError as error:
                if isinstance(error, PyGibsonError):
                    raise
        else:
            assert await reading == shared_value(number)

    async def read_many(self, client: Client) -> None:
        numbers = [self.chance.randrange(SHARED) for _ in range(5)]
        replies = [client.get(f"{self.world.prefix}shared{number}.") for number in numbers]
        results = await asyncio.gather(*replies, return_exceptions=True)
        for number, result in zip(numbers, results):
            assert isinstance(result, LOST) or result == shared_value(number)

    async def change(self, client: Client) -> None:
        """After a write of which nothing is known, the key is left alone: it may come late."""
        value = b"%d.%d" % (self.number, self.chance.randrange(1 << 30))
        before, self.value = self.value, None
        key, self.key = self.key, self.key + "'"
        try:
            if before is not None:
                assert await client.get(key) == before
            await client.set(key, value)
            self.value, self.key = value, key
        except NotFoundError:
            raise AssertionError(f"{key} is gone") from None

    async def batch(self, client: Client) -> None:
        numbers = [self.chance.randrange(SHARED) for _ in range(self.chance.randint(1, 20))]
        batch = client.pipeline(raise_on_error=False)
        for number in numbers:
            batch.get(f"{self.world.prefix}shared{number}.").get(f"{self.world.prefix}none")
        results = await batch.execute()
        for at, number in enumerate(numbers):
            assert results[2 * at] == shared_value(number)
            assert type(results[2 * at + 1]) is NotFoundError

    async def big(self, client: Client) -> None:
        found = await client.mget(f"{self.world.prefix}shared")
        assert len(found) == SHARED
        number = self.chance.randrange(SHARED)
        assert found[f"{self.world.prefix}shared{number}."] == shared_value(number)


async def trouble(world: World, tasks: list[asyncio.Task[None]]) -> None:
    while True:
        await asyncio.sleep(world.chance.random() * 0.01)
        if world.chance.random() < 0.5:
            world.chance.choice(tasks).cancel()
        if world.chance.random() < world.faults:
            world.fault()


async def look_at_what_is_left(world: World) -> None:
    """The window is whole, nothing is under way, and the connections are in step."""
    for client in world.clients:
        client.timeout = PATIENT
        for attempt in range(1000):
            try:
                await client.ping()
                break
            except LOST:
                assert attempt < 999
                await asyncio.sleep(0.005)
        replies = [client.get(f"{world.prefix}shared{number}.") for number in range(SHARED)]
        results = await asyncio.gather(*replies)
        assert results == [shared_value(number) for number in range(SHARED)]
        await client.drain()
        assert not client.connected


async def play(world: World, count: int) -> None:
    async with Client(**world.server.address, timeout=PATIENT) as direct:
        async with direct.pipeline() as batch:
            for number in range(SHARED):
                batch.set(f"{world.prefix}shared{number}.", shared_value(number))
        world.connect()
        tasks = [asyncio.create_task(Task(world, number).run()) for number in range(count)]
        troubling = asyncio.create_task(trouble(world, tasks))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        troubling.cancel()
        world.proxy.heal()
        world.proxy.drop()
        for result in results:
            if result is not None and not isinstance(result, asyncio.CancelledError):
                raise result
        with pytest.raises(asyncio.CancelledError):
            await troubling
        await look_at_what_is_left(world)
        await direct.mdl(world.prefix)


@pytest.mark.parametrize("kind", KINDS)
def test_each_answer_is_that_of_its_own_request(
    kind: str, unix_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("GIBSON_TEST_SEED") or time.time_ns() % (1 << 32))
    count = int(os.environ.get("GIBSON_TEST_COUNT") or 0)
    end = time.monotonic() + float(os.environ.get("GIBSON_TEST_SECONDS") or 2)
    rounds = answers = losses = 0
    while rounds < count if count else time.monotonic() < end:
        with Proxy(unix_server) as proxy, loop_of(kind) as loop:
            world = World(seed, proxy, unix_server)
            tasks = world.chance.choice((10, 200, 1500))
            try:
                loop.run_until_complete(asyncio.wait_for(play(world, tasks), 300))
            except BaseException:
                print(f"replay: GIBSON_TEST_SEED={seed} GIBSON_TEST_COUNT=1")
                raise
        rounds += 1
        answers += world.answers
        losses += world.losses
        seed = seed * 6364136223846793005 % (1 << 32) + 1
    with capsys.disabled():
        print(f"\naio: {rounds} rounds, {answers} answers, {losses} losses, next seed {seed}")
    assert answers > 0
