"""Measures gets of 100 bytes by many tasks of one event loop, through one of several clients.

Usage: tasks.py CLIENT SOCKET LOOP TASKS [SECONDS]

CLIENT is pygibson, redis (redis.asyncio), coredis, glide (valkey-glide) or none; LOOP is asyncio or
uvloop. Each task gets in a loop, as tasks do that have something else in between. Prints gets per
second of CPU time of this process, all its threads and the kernel's part included, and per second
of the clock. `none` asks nobody: its tasks await futures that one callback resolves all at once,
which is the most that any client could do with a future for each get.

compare_tasks.py runs it for all of them.
"""

import asyncio
import os
import resource
import sys
import time

KEY = "app:user:1:field"
VALUE = b"v" * 100


async def connect_pygibson(socket):
    from pygibson.aio import Client

    client = Client(unix_socket=socket, timeout=60_000)
    await client.connect()
    return client


async def connect_redis(socket):
    import redis.asyncio

    # The client has a connection for each task that waits.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return redis.asyncio.Redis(unix_socket_path=socket, max_connections=most)


async def connect_coredis(socket):
    import coredis

    client = coredis.Redis(unix_socket_path=socket)
    await client.__aenter__()
    return client


async def connect_glide(socket):
    from glide import GlideClient, GlideClientConfiguration, NodeAddress

    host, port = socket.split(":")  # it has no unix sockets
    return await GlideClient.create(
        GlideClientConfiguration(
            [NodeAddress(host, int(port))], request_timeout=60_000, inflight_requests_limit=10_000
        )
    )


class Nobody:
    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.waiting = []

    async def set(self, key, value):
        pass

    def resolve(self):
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(VALUE)

    def get(self, key):
        if not self.waiting:
            self.loop.call_soon(self.resolve)
        future = self.loop.create_future()
        self.waiting.append(future)
        return future


async def connect_none(socket):
    return Nobody()


async def run(library, socket, tasks, seconds):
    client = await globals()[f"connect_{library}"](socket)
    await client.set(KEY, VALUE)
    assert await client.get(KEY) == VALUE
    get = client.get
    end = False

    async def task():
        count = 0
        while not end:
            await get(KEY)
            count += 1
        return count

    running = [asyncio.create_task(task()) for _ in range(tasks)]
    await asyncio.sleep(seconds / 4)  # connections, caches
    end = True
    await asyncio.gather(*running)
    end = False
    running = [asyncio.create_task(task()) for _ in range(tasks)]
    cpu, clock = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    end = True
    count = sum(await asyncio.gather(*running))
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    print(f"{count / cpu:.0f} {count / clock:.0f}", flush=True)


def main():
    library, socket, loop, tasks = sys.argv[1:5]
    seconds = float(sys.argv[5]) if len(sys.argv) > 5 else 2
    if loop == "uvloop":
        import uvloop as module
    else:
        module = asyncio
    made = module.new_event_loop()
    made.run_until_complete(run(library, socket, int(tasks), seconds))
    # Clients are not closed: some have no orderly end under load, and the process ends.
    os._exit(0)


if __name__ == "__main__":
    main()
