"""Many tasks share one connection: their requests leave together, and each gets its own reply."""

from __future__ import annotations

import asyncio

from pygibson import NotFoundError, Server
from pygibson.aio import Client


async def visit(client: Client, page: int) -> int:
    """Count a visit, and tell how many there were."""
    return await client.inc(f"visits:{page}")


async def title(client: Client, page: int) -> str:
    try:
        found = await client.get(f"page:{page}:title")
    except NotFoundError:
        return "untitled"
    return found.decode() if isinstance(found, bytes) else str(found)


async def main(socket: str) -> None:
    async with Client(unix_socket=socket, timeout=500) as client:
        async with client.pipeline() as batch:
            for page in range(3):
                batch.set(f"page:{page}:title", f"Page {page}", ttl=3600)
        print(batch.results)

        print(await asyncio.gather(*(title(client, page) for page in (2, 0, 7))))
        await asyncio.gather(*(visit(client, page % 2) for page in range(1000)))
        print(await client.mget("visits:"))

        late = client.get("page:1:title")
        late.cancel()  # of what was not sent yet nothing ever is
        print(late.cancelled(), await client.get("page:2:title"))


with Server() as server:
    asyncio.run(main(str(server.unix_socket)))
