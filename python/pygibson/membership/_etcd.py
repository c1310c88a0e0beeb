"""Servers that are listed under a prefix of etcd."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from ._gateway import Gateway, Message, decode, directory, prefix_range
from ._source import Look, Server, Source, SourceError, Stop, settle, take_seconds, take_weight


class EtcdSource(Source):
    """The servers that are listed under a prefix of etcd (3.4 or later): each is a key, the prefix
    with the address of the server behind it, whose value is the weight, or empty for 1.

        etcdctl put /gibson/main/10.0.0.1:10128 2

    EtcdRegistration makes such a key for as long as a process lives. The prefix is watched, so that
    a change is seen at once. When the watch is cut, another one is made after a delay, and the list
    is read anew; that is also done when etcd has compacted what the watch would have told, and when
    it has been silent for `refresh` seconds, as a watch whose peer has vanished is silent, too.

    A key that is none of a server is a failure of the whole list: the last one is kept.

    Args:
        endpoints (str, or iterable of str): such as "http://127.0.0.1:2379". One is asked after the
            other until one answers.
        prefix (str): of the keys. A / is put at its end if it has none.
        timeout (float): seconds to connect to an endpoint, and for it to answer.
        refresh (float): seconds after which the list is read anew if the watch tells nothing.
        username, password (str): if etcd asks for them.
        ssl_context (ssl.SSLContext): for https, with certificates and whom to trust; by default
            that of urllib3, which trusts the authorities of the system.
        retry_delay, retry_max_delay (float): seconds from a failure to the next attempt: the first,
            doubled with each failure in a row, and the longest.

    Raises:
        ValueError: one of them makes no sense.
        ImportError: urllib3 is not installed.
    """

    def __init__(
        self,
        endpoints: str | Iterable[str],
        prefix: str,
        *,
        timeout: float = 5.0,
        refresh: float = 30.0,
        username: str | None = None,
        password: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        retry_delay: float = 0.5,
        retry_max_delay: float = 30.0,
    ) -> None:
        self.prefix = directory(prefix)
        self.refresh = take_seconds(refresh, "refresh")
        self.retry_delay = take_seconds(retry_delay, "retry_delay")
        self.retry_max_delay = take_seconds(retry_max_delay, "retry_max_delay")
        self._gateway = Gateway(endpoints, timeout, username, password, ssl_context)
        self._range = prefix_range(self.prefix.encode())

    def _entry(self, pair: Message) -> Server:
        key = decode(pair["key"])
        value = decode(pair.get("value", ""))
        whence = f"{self!r}: the key {key!r}"
        try:
            address, weight = key.decode()[len(self.prefix) :], value.decode().strip()
        except UnicodeDecodeError as error:
            raise SourceError(f"{whence} is no UTF-8") from error
        return address, take_weight(weight, whence) if weight else 1

    def look(self) -> Look:
        """Return the servers, and the revision of etcd at which they were listed."""
        answer = self._gateway.call("/v3/kv/range", self._range)
        try:
            pairs = answer.get("kvs", [])
            entries = [self._entry(pair) for pair in pairs]
            revision = int(answer["header"]["revision"])
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{self!r}: the answer is not that of etcd: {error!r}") from error
        return Look(settle(entries, repr(self)), revision)

    def read(self) -> list[Server]:
        """Return the servers that are listed now.

        Raises:
            SourceError: no endpoint has answered, there is no server, or a key that is none.
        """
        return self.look().servers

    def wait(self, look: Look, stop: Stop) -> None:
        """Watch from the revision of the look on, and return at the first change, or when the watch
        cannot tell any more whether there was one."""
        request = {**self._range, "start_revision": str(int(look.place) + 1)}
        with self._gateway.stream(
            "/v3/watch", {"create_request": request}, self.refresh, stop
        ) as messages:
            for message in messages:
                if self._is_news(message):
                    return
                if self._is_compacted(message):
                    stop.wait(self.retry_delay)  # as it may be said of the next list, too
                    return
            if not stop.is_set():
                raise SourceError(f"{self!r}: the watch was cut")

    def _is_news(self, message: Message) -> bool:
        if "error" in message:
            raise SourceError(f"{self!r}: the watch has failed: {message['error']}")
        result = message.get("result", {})
        if result.get("canceled") and not self._is_compacted(message):
            reason = result.get("cancel_reason", "for no reason given")
            raise SourceError(f"{self!r}: etcd has cancelled the watch: {reason}")
        return bool(result.get("events"))

    @staticmethod
    def _is_compacted(message: Message) -> bool:
        """What there was to tell is gone: the list has to be read."""
        return int(message.get("result", {}).get("compact_revision", 0)) > 0

    def __repr__(self) -> str:
        return f"EtcdSource({self._gateway.endpoints!r}, {self.prefix!r})"
