"""Client for the Gibson cache server.

>>> from pygibson import Client
>>> client = Client()                       # 127.0.0.1:10128, timeout of 60 ms
>>> client.set("some_key", "some_value")
>>> client.get("some_key")
b'some_value'
"""

from ._pygibson import (
    Client,
    ConnectionLostError,
    InvalidArgumentError,
    LockedError,
    NaNError,
    NoMemoryError,
    NotFoundError,
    Pipeline,
    ProtocolError,
    PyGibsonError,
    ServerError,
    ServerTimeoutError,
    SystemCallError,
    TruncatedError,
    UnreachableError,
    UsageError,
    __version__,
    libgibson_version,
)

__all__ = [
    "Client",
    "ConnectionLostError",
    "InvalidArgumentError",
    "LockedError",
    "NaNError",
    "NoMemoryError",
    "NotFoundError",
    "Pipeline",
    "ProtocolError",
    "PyGibsonError",

    "ServerError",
    "ServerTimeoutError",
    "SystemCallError",
    "TruncatedError",
    "UnreachableError",
    "UsageError",
    "__version__",
    "libgibson_version",
]
