"""The STATS of a gibson-server as metrics for Prometheus.

As a program, which answers scrapes on http://127.0.0.1:9128/metrics:

    python3 -m pygibson.prometheus --unix-socket /run/gibson/socket

or within one that has a registry of its own:

>>> from prometheus_client import REGISTRY
>>> from pygibson.prometheus import GibsonCollector
>>> REGISTRY.register(GibsonCollector(unix_socket="/run/gibson/socket"))

It needs prometheus_client: pip install pygibson[prometheus].
"""

from __future__ import annotations

import argparse
import re
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

try:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError as _missing:
    raise ImportError(
        "pygibson.prometheus needs prometheus_client: pip install pygibson[prometheus]"
    ) from _missing

from ._pygibson import Client, PyGibsonError

__all__ = ["GibsonCollector", "main"]

Stats = dict[str, "int | str"]


class _Gauge(NamedTuple):
    row: str
    name: str
    summary: str
    factor: float = 1


class _Counter(NamedTuple):
    row: str
    name: str  # without _total
    summary: str


class _Labelled(NamedTuple):
    """Counters of which each row begins with a prefix and ends with the value of a label."""

    prefix: str
    name: str
    label: str
    summary: str


_GAUGES = (
    _Gauge("server_started", "gibson_start_time_seconds", "When the server started, since 1970"),
    _Gauge("first_item_seen", "gibson_first_item_time_seconds", "First item added, since 1970"),
    _Gauge("last_item_seen", "gibson_last_item_time_seconds", "Last item added, since 1970"),
    _Gauge("total_items", "gibson_items", "Items, with those expired and not yet swept"),
    _Gauge("total_compressed_items", "gibson_compressed_items", "Items kept compressed"),
    _Gauge("item_pool_current_capacity", "gibson_allocated_items", "Items in memory, deleted too"),
    _Gauge("item_size_avg", "gibson_item_size_average_bytes", "What an item takes on average"),
    _Gauge("compr_rate_avg", "gibson_compression_saved_ratio", "Share saved by compressing", 0.01),
    _Gauge("max_item_ttl", "gibson_max_item_ttl_seconds", "Longest time to live and lock time"),
    _Gauge("total_clients", "gibson_clients", "Clients connected"),
    _Gauge("memory_available", "gibson_machine_memory_bytes", "Memory of the machine"),
    _Gauge("memory_usable", "gibson_memory_limit_bytes", "Limit of memory for items: max_memory"),
    _Gauge("memory_used", "gibson_memory_used_bytes", "Memory counted against the limit"),
    _Gauge("memory_peak", "gibson_memory_peak_bytes", "The most memory that was used"),
    _Gauge("memory_fragmentation", "gibson_memory_fragmentation_ratio", "Resident over used"),
    _Gauge("client_memory_usable", "gibson_client_memory_limit_bytes", "Limit: max_client_memory"),
    _Gauge("client_memory_used", "gibson_client_memory_used_bytes", "Held for clients"),
)

_COUNTERS = (
    _Counter("total_requests", "gibson_requests", "Requests"),
    _Counter("total_connections", "gibson_connections", "Connections, refused ones too"),
    _Counter("total_cron_done", "gibson_housekeeping_rounds", "Rounds of housekeeping"),
    _Counter("total_hits", "gibson_get_hits", "GETs that found their key"),
    _Counter("total_misses", "gibson_get_misses", "GETs that did not"),
    _Counter("total_evicted_items", "gibson_evicted_items", "Items deleted to make room"),
    _Counter("total_expired_items", "gibson_expired_items", "Items deleted as their ttl was over"),
    _Counter("total_bytes_in", "gibson_received_bytes", "Bytes that clients have sent"),
    _Counter("total_bytes_out", "gibson_sent_bytes", "Bytes sent to clients"),
    _Counter("total_refused_clients", "gibson_refused_clients", "Clients closed as they came"),
    _Counter("total_slow_requests", "gibson_slow_requests", "Requests longer than slow_log"),
)

_LABELLED = (
    _Labelled("total_requests_", "gibson_commands", "command", "Requests by command"),
    _Labelled("total_replies_", "gibson_refusals", "code", "Replies that say no, by their code"),
    _Labelled(
        "total_disconnected_", "gibson_disconnected_clients", "reason", "Clients disconnected"
    ),
)

_INFO = ("server_version", "server_build_datetime", "server_allocator", "server_arch")
_LATENCY = re.compile(r"latency_below_(\d+)us")
_LATENCY_ROWS = ("total_timed_requests", "total_latency_us")
_MICROSECOND = 1e-6


def _number(stats: Stats, row: str) -> float | None:
    """The value of a row; None where there is none, as of a server that does not count it."""
    try:
        return float(stats[row])
    except (KeyError, ValueError):
        return None


def _info(stats: Stats) -> Iterator[Metric]:
    known = {row.replace("server_", ""): str(stats[row]) for row in _INFO if row in stats}
    if known:
        yield InfoMetricFamily("gibson_server", "What the server is", value=known)


def _gauges(stats: Stats) -> Iterator[Metric]:
    for row, name, summary, factor in _GAUGES:
        value = _number(stats, row)
        if value is not None:
            yield GaugeMetricFamily(name, summary, value=value * factor)


def _counters(stats: Stats) -> Iterator[Metric]:
    for row, name, summary in _COUNTERS:
        value = _number(stats, row)
        if value is not None:
            yield CounterMetricFamily(name, summary, value=value)


def _labelled(stats: Stats) -> Iterator[Metric]:
    for prefix, name, label, summary in _LABELLED:
        family = CounterMetricFamily(name, summary, labels=[label])
        for row in stats:
            value = _number(stats, row)
            if row.startswith(prefix) and value is not None:
                family.add_metric([row[len(prefix) :]], value)
        if family.samples:
            yield family


def _latency(stats: Stats) -> Iterator[Metric]:
    bounds = {int(found[1]): row for row in stats if (found := _LATENCY.fullmatch(row))}
    count, total = (_number(stats, row) for row in _LATENCY_ROWS)
    if not bounds or count is None or total is None:
        return
    buckets = [(str(us * _MICROSECOND), float(stats[bounds[us]])) for us in sorted(bounds)]
    yield HistogramMetricFamily(
        "gibson_request_duration_seconds",
        "From when the server found a request to when its reply was sent",
        buckets=[*buckets, ("+Inf", count)],
        sum_value=total * _MICROSECOND,
    )


def _later_counters(stats: Stats) -> Iterator[Metric]:
    """What servers count that are newer than this module: it is in rows that begin with total_."""
    known = {entry.row for entry in (*_GAUGES, *_COUNTERS)} | set(_LATENCY_ROWS)
    prefixes = tuple(entry.prefix for entry in _LABELLED)
    for row in stats:
        value = _number(stats, row)
        found = re.fullmatch(r"total_([a-z][a-z0-9_]*)", row)
        if found and value is not None and row not in known and not row.startswith(prefixes):
            yield CounterMetricFamily(f"gibson_{found[1]}", f"{row} of STATS", value=value)


_PARTS = (_info, _gauges, _counters, _labelled, _latency, _later_counters)


class GibsonCollector(Collector):
    """What a registry of prometheus_client asks for the metrics of one server.

    Each scrape makes a connection, asks for STATS once, and closes it. Where that fails, there are
    only gibson_up, which is 0 then, and gibson_scrape_duration_seconds. Scrapes may come from
    several threads at a time.

    Args:
        options: those of Client; timeout is 1000 ms where it is not given.
    """

    def __init__(self, **options: Any) -> None:
        self._options = {"timeout": 1000, **options}

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that the server need not be there when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask the server, and yield its metrics."""
        begin = time.monotonic()
        metrics: list[Metric] = []
        try:
            with Client(**self._options) as client:
                stats = client.stats()
            metrics = [metric for part in _PARTS for metric in part(stats)]
        except PyGibsonError:
            pass
        up = GaugeMetricFamily("gibson_up", "Whether the server has answered", value=bool(metrics))
        taken = GaugeMetricFamily(
            "gibson_scrape_duration_seconds",
            "What asking the server took",
            value=time.monotonic() - begin,
        )
        yield from (up, taken, *metrics)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m pygibson.prometheus",
        description="Answers scrapes of Prometheus with the STATS of a gibson-server.",
    )
    parser.add_argument("--addr", default="127.0.0.1", help="of the server (%(default)s)")
    parser.add_argument("--port", type=int, default=10128, help="of the server (%(default)s)")
    parser.add_argument("--unix-socket", metavar="PATH", help="of the server, in place of these")
    parser.add_argument(
        "--timeout", type=int, default=1000, metavar="MS", help="of asking it (%(default)s)"
    )
    parser.add_argument(
        "--listen",
        default="127.0.0.1:9128",
        metavar="ADDRESS:PORT",
        help="where to be scraped, port 0 for any that is free (%(default)s)",
    )
    parsed = parser.parse_args(arguments)
    address, colon, port = parsed.listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        parser.error(f"--listen: {parsed.listen!r} is no ADDRESS:PORT")
    parsed.listen_address, parsed.listen_port = address.strip("[]"), int(port)
    return parsed


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program, until SIGTERM or SIGINT ends it."""
    parsed = _arguments(arguments)
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # threads that are started inherit it
    registry = CollectorRegistry()
    where: dict[str, Any] = {"addr": parsed.addr, "port": parsed.port}
    if parsed.unix_socket is not None:
        where = {"unix_socket": parsed.unix_socket}
    registry.register(GibsonCollector(timeout=parsed.timeout, **where))
    server, thread = start_http_server(
        parsed.listen_port, addr=parsed.listen_address, registry=registry
    )
    host, port = server.server_address[:2]
    print(f"listening on http://{host!s}:{port}/metrics", flush=True)
    signal.sigwait(signals)
    server.shutdown()
    server.server_close()
    thread.join()


if __name__ == "__main__":
    main()
