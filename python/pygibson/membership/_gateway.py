"""etcd by its JSON gateway, the part of it that membership needs.

https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/: each call is a POST of a JSON object, in
which keys and values are in base64 and 64-bit numbers are strings; a stream is a line of JSON for
each message. Each call has a connection of its own: so threads and children of fork share none, and
none can have died unnoticed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
from collections.abc import Iterable, Iterator
from typing import Any

try:
    import urllib3
    from urllib3.exceptions import HTTPError, ReadTimeoutError
except ImportError as _missing:
    raise ImportError(
        "EtcdSource and EtcdRegistration need urllib3: pip install pygibson[etcd]"
    ) from _missing

from ._source import SourceError, Stop, take_seconds

Message = dict[str, Any]


class _RefusedError(SourceError):
    """What was asked for is wrong, or the token is no longer valid (HTTP 4xx)."""


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if encode(data) != text:  # older versions of Python take more than is base64
        raise ValueError(f"{text!r} is no base64")
    return data


def prefix_range(prefix: bytes) -> Message:
    """Return the keys with that prefix, which is not empty and does not end with 0xff, as a request
    names them."""
    end = prefix[:-1] + bytes([prefix[-1] + 1])
    return {"key": encode(prefix), "range_end": encode(end)}


def directory(prefix: str) -> str:
    """Return the prefix with a / at its end, so that no other begins with it."""
    if not prefix.strip("/"):
        raise ValueError("a prefix must not be empty: every key of etcd would count")
    return prefix if prefix.endswith("/") else prefix + "/"


def _problem(status: int, data: bytes) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        told = json.loads(data)
        return f"{told.get('message') or told.get('error')} (HTTP {status})"
    return f"HTTP {status}"


def _objects(chunks: Iterable[bytes]) -> Iterator[Message]:
    """Give the objects of a stream, each of which is a line."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())


class Gateway:
    """Calls to any of the endpoints. Threads may share it."""

    def __init__(
        self,
        endpoints: str | Iterable[str],
        timeout: float,
        username: str | None,
        password: str | None,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        given = [endpoints] if isinstance(endpoints, str) else list(endpoints)
        if not given:
            raise ValueError("there must be an endpoint")
        for endpoint in given:
            if not endpoint.startswith(("http://", "https://")):
                raise ValueError(
                    f"an endpoint is a URL, as http://127.0.0.1:2379, not {endpoint!r}"
                )
        self.endpoints = [endpoint.rstrip("/") for endpoint in given]
        self._timeout = take_seconds(timeout, "timeout")
        self._credentials = None if username is None else {"name": username, "password": password}
        self._token: str | None = None
        self._ssl_context = ssl_context
        self._first = 0  # the endpoint that has answered last

    def _http(self, read_timeout: float) -> urllib3.PoolManager:
        timeout = urllib3.Timeout(connect=self._timeout, read=read_timeout)
        return urllib3.PoolManager(retries=False, timeout=timeout, ssl_context=self._ssl_context)

    def _post(
        self, http: urllib3.PoolManager, url: str, message: Message, streams: bool
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = self._token
        body = json.dumps(message)
        response = http.request(
            "POST", url, body=body, headers=headers, preload_content=not streams
        )
        if response.status != 200:
            kind = _RefusedError if 400 <= response.status < 500 else SourceError
            raise kind(f"{url}: {_problem(response.status, response.data)}")
        return response

    def _ask(self, path: str, message: Message) -> Message:
        """Ask one endpoint after the other, from that which answered last."""
        reasons = []
        for step in range(len(self.endpoints)):
            index = (self._first + step) % len(self.endpoints)
            try:
                with self._http(self._timeout) as http:
                    response = self._post(http, self.endpoints[index] + path, message, False)
                answer = json.loads(response.data)
                if not isinstance(answer, dict):
                    raise ValueError("it is no object")
            except _RefusedError:
                raise  # another endpoint would do the same
            except SourceError as error:
                reasons.append(str(error))
            except (ValueError, RecursionError) as error:
                reasons.append(f"{self.endpoints[index]}: the answer is not that of etcd: {error}")
            except HTTPError as error:
                reasons.append(f"{self.endpoints[index]}: {error}")
            else:
                self._first = index
                return answer
        raise SourceError("; ".join(reasons))

    def call(self, path: str, message: Message) -> Message:
        """Return the answer to a message, with a new token if there is none, or etcd refuses.

        Raises:
            SourceError: no endpoint has given one.
        """
        if self._credentials is None:
            return self._ask(path, message)
        try:
            if self._token is not None:
                return self._ask(path, message)
        except _RefusedError:
            self._token = None
        self._authenticate(self._credentials)
        return self._ask(path, message)

    def _authenticate(self, credentials: Message) -> None:
        token = self._ask("/v3/auth/authenticate", credentials).get("token")
        if not isinstance(token, str):
            raise SourceError(f"{self.endpoints[self._first]}: has given no token")
        self._token = token

    @contextlib.contextmanager
    def stream(
        self, path: str, message: Message, silence: float, stop: Stop
    ) -> Iterator[Iterator[Message]]:
        """Give an iterator over the messages of a stream of the endpoint that answered last. It
        ends at the stop, and the with statement when nothing has come for so many seconds.

        Raises:
            SourceError: the stream cannot be had, or was cut.
        """
        url = self.endpoints[self._first] + path
        with self._http(silence) as http:
            try:
                response = self._post(http, url, message, True)
                with stop.interrupting(lambda: _shut_down(response)):
                    try:
                        yield _objects(response.stream())
                    finally:
                        response.close()
            except ReadTimeoutError:
                return
            except (HTTPError, OSError, ValueError, RecursionError) as error:
                if not stop.is_set():
                    raise SourceError(f"{url}: the stream has ended: {error}") from error


def _shut_down(response: urllib3.BaseHTTPResponse) -> None:
    with contextlib.suppress(Exception):  # it has ended by itself
        response.shutdown()
