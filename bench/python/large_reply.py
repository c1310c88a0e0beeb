"""Measures how long a get waits while another task of the same loop reads large replies.

Usage: large_reply.py [LOOP [ITEMS [SECONDS]]]

One task gets 100 bytes again and again, on a connection of its own to a server of its own; alone
first, then while another task runs mget of ITEMS items (100,000) of 100 bytes on another
connection, to another server. Prints in milliseconds the median, the 99th percentile and the
longest time of a get, and the longest turns of the loop: most of the CPU time of its thread between
two calls of a task that asks to be called in every turn. Other programs on the machine add to the
former, not to the latter. What was read is freed a thousand items at a time, as to free it is the
program's own doing.
"""

import asyncio
import gc
import sys
import time

from pygibson import Server
from pygibson.aio import Client

KEY = "app:user:1:field"
VALUE = b"v" * 100


async def gets(client, seconds):
    times = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        await client.get(KEY)
        times.append(time.perf_counter() - start)
    return times


async def turns(end):
    """How long each turn of the loop took."""
    times, last = [], time.thread_time()
    while not end.is_set():
        await asyncio.sleep(0)
        now = time.thread_time()
        times.append(now - last)
        last = now
    return sorted(times)


async def read_all(client, items, end):
    count = 0
    while not end.is_set():
        found = await client.mget("large:")
        assert len(found) == items
        while found:
            for _ in range(min(1000, len(found))):
                found.popitem()
            await asyncio.sleep(0)
        count += 1
    return count


def show(what, times, turns):
    found = [times[len(times) // 2], times[len(times) * 99 // 100], times[-1], *turns[:-9:-1]]
    print(f"| {what} |", " | ".join(f"{each * 1000:.2f}" for each in found), "|")


async def measure(what, client, seconds, others):
    end = asyncio.Event()
    watching = asyncio.create_task(turns(end))
    reading = [asyncio.create_task(other(end)) for other in others]
    times = await gets(client, seconds)
    end.set()
    longest = await watching
    show(what, sorted(times), longest)
    return [await each for each in reading]


async def main(small, large, items, seconds):
    async with (
        Client(unix_socket=small, timeout=60_000) as one,
        Client(unix_socket=large, timeout=60_000, max_reply_size=1 << 30) as other,
    ):
        await one.set(KEY, VALUE)
        for first in range(0, items, 10_000):
            async with other.pipeline() as batch:
                for number in range(first, min(first + 10_000, items)):
                    batch.set(f"large:{number}", VALUE)
        gc.freeze()
        print("| | median | 99 % | longest get | longest turns |\n|---|---|---|---|---|")
        await measure("alone", one, seconds, [])
        (count,) = await measure(
            f"with mget of {items:,}", one, seconds, [lambda end: read_all(other, items, end)]
        )
        print(f"{count} replies of {items:,} items")


if __name__ == "__main__":
    loop = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
    items = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 5
    if loop == "uvloop":
        import uvloop as module
    else:
        module = asyncio
    with Server() as small, Server(max_memory=1 << 30) as large:
        made = module.new_event_loop()
        made.run_until_complete(main(small.unix_socket, large.unix_socket, items, seconds))
