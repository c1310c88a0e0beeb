"""Several servers as one, for asyncio."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, TypeVar, Union

from ._pygibson import (
    AsyncClient,
    ClusterAnswer,
    ClusterServer,
    InvalidArgumentError,
    NotFoundError,
    PyGibsonError,
    ServerTimeoutError,
    UnreachableError,
)
from ._pygibson import Cluster as _Routes

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

_T = TypeVar("_T")
_Key = Union[str, bytes]
_Value = Union[bytes, int]
_Servers = Iterable[Union[str, "tuple[str, int]"]]

# What gibson_cluster_use says of a server.
_FINE, _FAILED, _PROBE, _EJECTED = range(4)
_SAFE_SECONDS = 32767  # which every server keeps
_TIMED_PREFIX = ("mttl", "mlock")  # operations on a prefix with a time
_ANSWERED = {"not_found", "nan", "server_memory", "locked", "server_error", "truncated"}


def _explained(
    error: PyGibsonError,
    name: str,
    arguments: Sequence[Any],
    server: str | None = None,
    answers: list[ClusterAnswer] | None = None,
) -> PyGibsonError:
    error.command = name
    error.key = arguments[0] if arguments else None
    error.server, error.answers = server, answers
    return error


class _Target:
    """A server that an operation goes to. If it is to be probed, that is this operation's turn and
    nobody else's, until the end of it was noted or the target was closed."""

    __slots__ = ("_is_open", "_routes", "address", "use")

    def __init__(self, routes: _Routes, address: str, use: int) -> None:
        self._routes = routes
        self._is_open = use == _PROBE
        self.address = address
        self.use = use

    def note(self, status: str | None) -> None:
        """Tell how a request has ended, unless that says nothing new of a server that is fine."""
        if self.use != _FINE or not (status is None or status in _ANSWERED):
            self._routes._note(self.address, self.use, status)
        self._is_open = False

    def close(self) -> None:
        """Where nothing was learnt, as after a cancellation, it is another operation's turn."""
        if self._is_open:
            self.note("interrupted")


class Cluster:
    """Several Gibson servers as one, for asyncio: pygibson.Cluster, with methods to be awaited.

    Placement, affinity and failures are those of pygibson.Cluster, whose arguments it takes. It has
    one connection to each server, which all tasks share. Like a Client it belongs to the event loop
    in which it is first used.

    Raises InvalidArgumentError.
    """

    def __init__(
        self,
        servers: _Servers,
        timeout: int | None = 60,
        *,
        depth: int | None = None,
        separator: str = ":",
        hash_tag: bool = False,
        failure_limit: int = 3,
        retry_delay: int = 1000,
        retry_max_delay: int = 30000,
        rehash: bool = False,
        flush_prefix: str | bytes | None = None,
        **options: Any,
    ) -> None:
        self._routes = _Routes(
            servers,
            timeout,
            depth=depth,
            separator=separator,
            hash_tag=hash_tag,
            failure_limit=failure_limit,
            retry_delay=retry_delay,
            retry_max_delay=retry_max_delay,
            rehash=rehash,
            flush_prefix=flush_prefix,
            **options,
        )
        self._options = options
        self._rehash = rehash
        self._flush_prefix = flush_prefix
        self._clients: dict[str, AsyncClient] = {}
        self._has_asked_limits = False
        self._has_left = False  # servers have left the list, and their connections are to be ended

    # -- connections -------------------------------------------------------------------------------

    def _client(self, address: str) -> AsyncClient:
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = self._make_client(address)
        return client

    def _make_client(self, address: str) -> AsyncClient:
        options: dict[str, Any] = {
            **self._options,
            "timeout": self._routes.timeout,
            "reconnect": True,
            "reconnect_delay": 1,  # it is the cluster that waits before it asks again
            "reconnect_max_delay": 1,
        }
        if address.startswith("unix:"):
            return AsyncClient(unix_socket=address[len("unix:") :], **options)
        host, _, port = address.rpartition(":")
        return AsyncClient(host.strip("[]"), int(port), **options)

    def _may_disagree(self, seconds: Any) -> bool:
        """Whether it is a time that not every server keeps, or may be known not to: a Client asks
        its server for the limit when it is first given a longer time than every server keeps."""
        is_long = isinstance(seconds, int) and seconds > _SAFE_SECONDS
        self._has_asked_limits = self._has_asked_limits or is_long
        return self._has_asked_limits

    def _end_those_that_left(self) -> None:
        self._has_left = False
        kept = {server.server for server in self._routes.servers}
        for address in [address for address in self._clients if address not in kept]:
            client = self._clients.pop(address)
            if client.connected:
                client.drain()  # which begins at once, and lets what is under way end

    def _route(self, name: str, *key: Any) -> list[_Target]:
        """Whoever asks for that has to close the targets."""
        if self._has_left:
            self._end_those_that_left()
        return [_Target(self._routes, *target) for target in self._routes._route(name, *key)]

    # -- one server --------------------------------------------------------------------------------

    async def _ask(self, target: _Target, name: str, arguments: Sequence[Any]) -> Any:
        """Run an operation on a server that may be asked, and take note of how it ends."""
        try:
            result = await getattr(self._client(target.address), name)(*arguments)
        except PyGibsonError as error:
            target.note(error.status)
            raise
        target.note(None)
        return result

    async def _one(self, target: _Target, name: str, arguments: Sequence[Any]) -> Any:
        if target.use == _EJECTED:
            message = f"{name}({arguments[0]!r}) on {target.address}: it is ejected after failures"
            raise _explained(UnreachableError(message), name, arguments, target.address)
        if target.use != _PROBE or self._flush_prefix is None:
            return await self._ask(target, name, arguments)
        return await self._in_time(self._probe(target, name, arguments), name, arguments)

    async def _probe(self, target: _Target, name: str, arguments: Sequence[Any]) -> Any:
        targets = [target]
        if self._rehash:  # the others have had its keys
            others = self._route("ping")
            for other in others:
                other.close()
            targets += [other for other in others if other.use in (_FINE, _FAILED)]
        failures = await self._flush(targets)
        if failures:
            raise next(iter(failures.values()))
        return await self._ask(target, name, arguments)

    # -- servers that come back --------------------------------------------------------------------

    async def _flush(self, targets: list[_Target]) -> dict[str, PyGibsonError]:
        """Delete what is stale on servers. Returns what has failed; then none comes back."""
        done = await self._all(self._delete(target.address) for target in targets)
        failures = {
            target.address: error
            for target, error in zip(targets, done)
            if isinstance(error, PyGibsonError)
        }
        for target in targets:
            if target.address in failures or (failures and target.use == _PROBE):
                target.note("unreachable")
        return failures

    async def _delete(self, address: str) -> None:
        try:
            await self._client(address).mdl(self._flush_prefix or "")
        except NotFoundError:
            pass

    async def _in_time(
        self, work: Coroutine[Any, Any, _T], name: str, arguments: Sequence[Any]
    ) -> _T:
        """What is deleted first and the operation itself are under one deadline."""
        timeout = self._routes.timeout
        try:
            return await asyncio.wait_for(work, None if timeout is None else timeout / 1000)
        except asyncio.TimeoutError as error:
            if isinstance(error, PyGibsonError):
                raise
            message = f"{name}(): timeout of {timeout} ms passed while a server comes back"
            raise _explained(ServerTimeoutError(message), name, arguments) from None

    # -- all servers -------------------------------------------------------------------------------

    async def _all(self, work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
        """Wait for all. Returns results, with a PyGibsonError in the place of one that failed."""
        done = await asyncio.gather(*work, return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException) and not isinstance(result, PyGibsonError):
                raise result
        return done

    def _comes_back(self, targets: list[_Target]) -> bool:
        """Whether something has to be deleted before the operation."""
        return self._flush_prefix is not None and any(target.use == _PROBE for target in targets)

    async def _agree(
        self, asked: list[_Target], name: str, arguments: Sequence[Any]
    ) -> dict[str, PyGibsonError]:
        """Find out whether each server keeps a time, by the ttl of a key that nobody has: none is
        to be asked what another refuses. Return who has not answered.

        Raises:
            InvalidArgumentError: one does not.
        """
        nobody = f"gibson-probe-{secrets.token_hex(8)}"
        answers = await self._all(
            self._ask(target, "ttl", (nobody, arguments[-1])) for target in asked
        )
        for target, answer in zip(asked, answers):
            if isinstance(answer, InvalidArgumentError):
                reason = str(answer).partition(": ")[2]
                refusal = f"{name}({arguments[0]!r}) on {target.address}: {reason}"
                raise _explained(InvalidArgumentError(refusal), name, arguments, target.address)
        return {
            target.address: answer
            for target, answer in zip(asked, answers)
            if isinstance(answer, PyGibsonError) and answer.status not in _ANSWERED
        }

    async def _many(self, targets: list[_Target], name: str, arguments: Sequence[Any]) -> list[Any]:
        failures: dict[str, PyGibsonError] = {}
        if self._comes_back(targets):
            failures = await self._flush(
                [
                    target
                    for target in targets
                    if target.use == _PROBE or (self._rehash and target.use != _EJECTED)
                ]
            )
        asked = [
            target
            for target in targets
            if target.use != _EJECTED
            and target.address not in failures
            and not (failures and target.use == _PROBE)
        ]
        if name in _TIMED_PREFIX and self._may_disagree(arguments[-1]):
            failures.update(await self._agree(asked, name, arguments))
            asked = [target for target in asked if target.address not in failures]
        answers = await self._all(self._ask(target, name, arguments) for target in asked)
        done = {target.address: answer for target, answer in zip(asked, answers)}
        return [
            done.get(address, failures.get(address, UnreachableError(f"{address} is ejected")))
            for address in (target.address for target in targets)
        ]

    def _answers(self, targets: list[_Target], done: list[Any]) -> list[ClusterAnswer]:
        return [
            ClusterAnswer(
                (
                    target.address,
                    result.status if isinstance(result, PyGibsonError) else None,
                    result if isinstance(result, int) else 0,
                )
            )
            for target, result in zip(targets, done)
        ]

    def _judge(
        self, targets: list[_Target], name: str, arguments: Sequence[Any], done: list[Any]
    ) -> list[Any]:
        """Return the results of those that have some, if all have answered."""
        errors = [result for result in done if isinstance(result, PyGibsonError)]
        lost = [error for error in errors if error.status not in _ANSWERED]
        refusals = [error for error in errors if not isinstance(error, NotFoundError)]
        results = [result for result in done if not isinstance(result, PyGibsonError)]
        if lost:
            message = f"{len(lost)} of {len(done)} servers have not answered: {lost[0]}"
        elif refusals:
            message = str(refusals[0])
        elif results:
            return results
        else:
            message = str(errors[0])
        first = (lost or refusals or errors)[0]
        server = targets[done.index(first)].address
        answers = self._answers(targets, done)
        raise _explained(type(first)(message), name, arguments, server, answers)

    async def _on(
        self,
        targets: list[_Target],
        name: str,
        arguments: Sequence[Any],
        combine: Callable[[list[Any]], _T],
    ) -> _T:
        try:
            if len(targets) == 1 and arguments:
                result: _T = await self._one(targets[0], name, arguments)
                return result
            work = self._many(targets, name, arguments)
            in_time = self._in_time(work, name, arguments) if self._comes_back(targets) else work
            return combine(self._judge(targets, name, arguments, await in_time))
        finally:
            for target in targets:
                target.close()

    async def _key(self, name: str, *arguments: Any) -> Any:
        (target,) = self._route(name, arguments[0], False)
        try:
            return await self._one(target, name, arguments)
        finally:
            target.close()

    async def _number(self, name: str, *arguments: Any) -> int:
        return await self._on(self._route(name, arguments[0], True), name, arguments, sum)

    # -- operations --------------------------------------------------------------------------------

    async def set(self, key: _Key, value: str | Buffer, ttl: int = 0) -> None:
        self._may_disagree(ttl)
        await self._key("set", key, value, ttl)

    async def ttl(self, key: _Key, seconds: int) -> None:
        self._may_disagree(seconds)
        await self._key("ttl", key, seconds)

    async def get(self, key: _Key) -> _Value:
        value: _Value = await self._key("get", key)
        return value

    async def dl(self, key: _Key) -> None:
        await self._key("dl", key)

    async def inc(self, key: _Key) -> int:
        number: int = await self._key("inc", key)
        return number

    async def dec(self, key: _Key) -> int:
        number: int = await self._key("dec", key)
        return number

    async def lock(self, key: _Key, seconds: int) -> None:
        self._may_disagree(seconds)
        await self._key("lock", key, seconds)

    async def unlock(self, key: _Key) -> None:
        await self._key("unlock", key)

    async def meta(self, key: _Key, field: Any) -> int:
        number: int = await self._key("meta", key, field)
        return number

    async def mset(self, prefix: _Key, value: str | Buffer) -> int:
        return await self._number("mset", prefix, value)

    async def mttl(self, prefix: _Key, seconds: int) -> int:
        return await self._number("mttl", prefix, seconds)

    async def mdl(self, prefix: _Key) -> int:
        return await self._number("mdl", prefix)

    async def minc(self, prefix: _Key) -> int:
        return await self._number("minc", prefix)

    async def mdec(self, prefix: _Key) -> int:
        return await self._number("mdec", prefix)

    async def mlock(self, prefix: _Key, seconds: int) -> int:
        return await self._number("mlock", prefix, seconds)

    async def munlock(self, prefix: _Key) -> int:
        return await self._number("munlock", prefix)

    async def count(self, prefix: _Key) -> int:
        return await self._number("count", prefix)

    async def mget(self, prefix: _Key, limit: int | None = None) -> dict[str, _Value]:
        def combine(parts: list[dict[str, _Value]]) -> dict[str, _Value]:
            items = [item for part in parts for item in part.items()]
            return dict(items[:limit] if limit is not None and limit > 0 else items)

        return await self._on(self._route("mget", prefix, True), "mget", (prefix, limit), combine)

    async def keys(self, prefix: _Key) -> list[bytes]:
        def combine(parts: list[list[bytes]]) -> list[bytes]:
            return [key for part in parts for key in part]

        return await self._on(self._route("keys", prefix, True), "keys", (prefix,), combine)

    async def ping(self) -> None:
        await self._on(self._route("ping"), "ping", (), lambda _: None)

    async def stats(self) -> dict[str, str | int]:
        return self._routes.stats()  # raises UsageError

    async def quit(self) -> None:
        await self.close()

    # -- the list, and the end ---------------------------------------------------------------------

    @property
    def servers(self) -> list[ClusterServer]:
        """As pygibson.Cluster.servers."""
        return self._routes.servers

    @property
    def timeout(self) -> int | None:
        """Milliseconds for a whole operation, None for no end."""
        return self._routes.timeout

    def server_of(self, key: _Key) -> str:
        """As pygibson.Cluster.server_of."""
        return self._routes.server_of(key)

    def servers_of(self, prefix: _Key) -> list[str]:
        """As pygibson.Cluster.servers_of."""
        return self._routes.servers_of(prefix)

    def set_servers(self, servers: _Servers, /) -> None:
        """As pygibson.Cluster.set_servers; any thread may call it."""
        self._routes.set_servers(servers)
        self._has_left = True

    async def close(self) -> None:
        """Close the connections. Operations under way fail, and later ones raise
        ConnectionLostError. Closing twice is no error."""
        self._routes.close()
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self._routes).replace("pygibson.Cluster", "pygibson.aio.Cluster", 1)


Cluster.__module__ = "pygibson.aio"
for _name in vars(AsyncClient):  # the operations do what they do there
    if not _name.startswith("_") and _name in vars(Cluster):
        _method = getattr(Cluster, _name)
        if callable(_method) and not _method.__doc__:
            _method.__doc__ = getattr(AsyncClient, _name).__doc__
