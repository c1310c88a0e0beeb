"""Lists of servers that others keep: a file, DNS or etcd, which a Cluster follows.

>>> from pygibson import Cluster
>>> from pygibson.membership import FileSource, follow
>>> source = FileSource("/etc/gibson/servers")
>>> with Cluster(source.read()) as cluster, follow(cluster, source):
...     cluster.get("some_key")

A source that fails, or whose answer is empty, changes nothing: the cluster keeps the last list, and
the failure is told to the logger "pygibson.membership", to the follower, and to a callback.

DNSSource needs dnspython, pip install pygibson[dns]; EtcdSource and EtcdRegistration need urllib3,
pip install pygibson[etcd].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._file import FileSource
from ._follow import Follower, follow
from ._source import Look, Server, Source, SourceError, Stop

if TYPE_CHECKING:
    from ._dns import DNSSource as DNSSource
    from ._etcd import EtcdSource as EtcdSource
    from ._registration import EtcdRegistration as EtcdRegistration

__all__ = [
    "DNSSource",
    "EtcdRegistration",
    "EtcdSource",
    "FileSource",
    "Follower",
    "Look",
    "Server",
    "Source",
    "SourceError",
    "Stop",
    "follow",
]


def __getattr__(name: str) -> Any:
    # Each needs a library of its own, which users of the others need not have.
    if name == "DNSSource":
        from ._dns import DNSSource

        return DNSSource
    if name == "EtcdSource":
        from ._etcd import EtcdSource

        return EtcdSource
    if name == "EtcdRegistration":
        from ._registration import EtcdRegistration

        return EtcdRegistration
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
