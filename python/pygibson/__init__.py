"""Client for the Gibson cache server.

>>> from pygibson import Client
>>> client = Client()                       # 127.0.0.1:10128, timeout of 60 ms
>>> client.set("some_key", "some_value")
>>> client.get("some_key")
b'some_value'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._pygibson import (
    Client,
    Cluster,
    ClusterAnswer,
    ClusterServer,
    ConnectionLostError,
    InvalidArgumentError,
    LockedError,
    NaNError,
    NoMemoryError,
    NotFoundError,
    Pipeline,
    PipelineError,
    PipelineFailure,
    Pool,
    ProtocolError,
    PyGibsonError,
    ServerError,
    ServerTimeoutError,
    SystemCallError,
    TruncatedError,
    UnreachableError,
    UsageError,
    libgibson_version,
)
from ._pygibson import __version__ as __version__

if TYPE_CHECKING:
    from .proxy import Proxy as Proxy
    from .server import Server as Server

__all__ = [
    "Client",
    "Cluster",
    "ClusterAnswer",
    "ClusterServer",
    "ConnectionLostError",
    "InvalidArgumentError",
    "LockedError",
    "NaNError",
    "NoMemoryError",
    "NotFoundError",
    "Pipeline",
    "PipelineError",
    "PipelineFailure",
    "Pool",
    "ProtocolError",
    "Proxy",
    "PyGibsonError",
    "Server",
    "ServerError",
    "ServerTimeoutError",
    "SystemCallError",
    "TruncatedError",
    "UnreachableError",
    "UsageError",
    "libgibson_version",
]


def __getattr__(name: str) -> Any:
    # Few programs start servers, and what that takes would double the time of the import.
    if name == "Server":
        from .server import Server

        return Server
    if name == "Proxy":
        from .proxy import Proxy

        return Proxy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
