"""Client for asyncio: any number of tasks share one connection, and their requests go together.

>>> import asyncio
>>> from pygibson.aio import Client
>>> async def main():
...     async with Client() as client:          # 127.0.0.1:10128, timeout of 60 ms
...         await client.set("some_key", "some_value")
...         return await client.get("some_key")
>>> asyncio.run(main())
b'some_value'

The exceptions are those of pygibson.
"""

from __future__ import annotations

from ._aio_cluster import Cluster
from ._pygibson import AsyncClient as Client
from ._pygibson import AsyncPipeline as Pipeline
from ._pygibson import Reply

__all__ = ["Client", "Cluster", "Pipeline", "Reply"]
