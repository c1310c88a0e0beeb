"""Servers that a name of DNS stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable

try:
    import dns.exception
    import dns.inet
    import dns.nameserver
    import dns.rdatatype
    import dns.resolver
    from dns.rdtypes.IN.SRV import SRV
except ImportError as _missing:
    raise ImportError("DNSSource needs dnspython: pip install pygibson[dns]") from _missing

from ._source import Look, Server, Source, SourceError, Stop, settle, take_seconds

_ADDRESSES = ("A", "AAAA")
_RECORDS = (*_ADDRESSES, "SRV")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_ATTEMPT = 2.0  # seconds that a name server has, before the next is asked


def _name_server(text: str) -> dns.nameserver.Nameserver:
    """Return the name server of "address", "address:port" or "[IPv6]:port"."""
    address, port = text, "53"
    if text.startswith("["):
        address, _, rest = text[1:].partition("]:")
        port = rest
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 0xFFFF
    if not dns.inet.is_address(address) or not is_port:
        raise ValueError(f"a name server is an address, or address:port, not {text!r}")
    return dns.nameserver.Do53Nameserver(address, int(port))


def _service_servers(records: Iterable[SRV], whence: str) -> list[Server]:
    """Return those of the lowest priority. A target of "." says that there is no such service."""
    offered = [record for record in records if record.target.to_text() != "."]
    for record in offered:
        if not _HOST.fullmatch(record.target.to_text()):
            raise SourceError(f"{whence}: the target {record.target.to_text()!r} is no host name")
    lowest = min((record.priority for record in offered), default=0)
    return [
        (f"{record.target.to_text(omit_final_dot=True).lower()}:{record.port}", record.weight or 1)
        for record in offered
        if record.priority == lowest
    ]


class DNSSource(Source):
    """The servers that a name stands for, asked again when the answer's time to live is over.

    A and AAAA give addresses, each with the weight 1. SRV gives names with ports and weights, as a
    headless service of Kubernetes does: `_gibson._tcp.gibson.default.svc.cluster.local`. The weight
    0 counts as 1, and of several priorities only the lowest is used: a cluster has no reserve. The
    names are kept, so keys stay where they are when a server comes back with another address; the
    Cluster looks that up when it connects.

    Failures are: no such name, no such record, an answer of SERVFAIL or another error from all name
    servers, no answer in time. A Cluster whose servers are the A and the AAAA records of the same
    machines would have each of them twice, so there is only one kind of record.

    Args:
        name (str): that is asked for. The search list of the system is used, unless name servers
            are given, or it ends with a dot.
        port (int): of the servers; SRV has its own.
        record (str): "A", "AAAA" or "SRV".
        nameservers (iterable of str): addresses, with a port if that is not 53; by default those of
            the system.
        timeout (float): seconds for a reading, in which each name server is asked, for 2 s or its
            share of the time, and again as needed.
        min_ttl, max_ttl (float): seconds within which the time to live is honoured.
        retry_delay, retry_max_delay (float): seconds from a failure to the next attempt: the first,
            doubled with each failure in a row, and the longest.

    Raises:
        ValueError: one of them makes no sense.
        ImportError: dnspython is not installed.
    """

    def __init__(
        self,
        name: str,
        port: int = 10128,
        record: str = "A",
        nameservers: Iterable[str] | None = None,
        *,
        timeout: float = 5.0,
        min_ttl: float = 1.0,
        max_ttl: float = 300.0,
        retry_delay: float = 0.5,
        retry_max_delay: float = 30.0,
    ) -> None:
        if record not in _RECORDS:
            raise ValueError(f"record must be one of {', '.join(_RECORDS)}, not {record!r}")
        if not 0 < min_ttl <= max_ttl:
            raise ValueError("min_ttl must be above 0 and at most max_ttl")
        take_seconds(max_ttl, "max_ttl")
        self.name = name
        self.port = port
        self.record = record
        self.timeout = take_seconds(timeout, "timeout")
        self.min_ttl = min_ttl
        self.max_ttl = max_ttl
        self.retry_delay = take_seconds(retry_delay, "retry_delay")
        self.retry_max_delay = take_seconds(retry_max_delay, "retry_max_delay")
        self._name_servers = None if nameservers is None else [_name_server(n) for n in nameservers]

    def _ask(self) -> dns.resolver.Answer:
        resolver = dns.resolver.Resolver(configure=self._name_servers is None)
        if self._name_servers is not None:
            resolver.nameservers = list(self._name_servers)
        resolver.timeout = min(_ATTEMPT, self.timeout / (len(resolver.nameservers) or 1))
        return resolver.resolve(
            self.name, self.record, lifetime=self.timeout, search=self._name_servers is None
        )

    def look(self) -> Look:
        """Return the servers and the time to live of the answer, aliases on the way included."""
        try:
            answer = self._ask()
        except dns.exception.Timeout as error:
            raise SourceError(f"{self!r}: no answer within {self.timeout:g} s") from error
        except (dns.exception.DNSException, OSError) as error:
            raise SourceError(f"{self!r}: {str(error) or repr(error)}") from error
        if self.record == "SRV":
            entries = _service_servers(answer, repr(self))
        else:
            bracketed = "[{}]:{}" if self.record == "AAAA" else "{}:{}"
            entries = [(bracketed.format(each.address, self.port), 1) for each in answer]
        return Look(settle(entries, repr(self)), answer.chaining_result.minimum_ttl)

    def read(self) -> list[Server]:
        """Return the servers that DNS answers now, in an order of their own.

        Raises:
            SourceError: there was no answer, or none with a server.
        """
        return self.look().servers

    def wait(self, look: Look, stop: Stop) -> None:
        """Return when the time to live is over."""
        stop.wait(min(max(look.place, self.min_ttl), self.max_ttl))

    def __repr__(self) -> str:
        return f"DNSSource({self.name!r}, record={self.record!r})"
