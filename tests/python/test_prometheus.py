"""The exporter for Prometheus, with a real server."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pygibson import Server

pytest.importorskip("prometheus_client", reason="the extra pygibson[prometheus] is not installed")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pygibson import prometheus
from pygibson.prometheus import GibsonCollector

PATIENT = 30_000


@pytest.fixture
def fresh() -> Iterator[Server]:
    """A server that has counted nothing yet."""
    with Server() as started:
        yield started


def registry_of(server: Server, **options: Any) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(GibsonCollector(timeout=PATIENT, **{**server.address, **options}))
    return registry


def values(text: str) -> dict[str, float]:
    """The samples of what Prometheus reads, by name and labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in found
            found[key] = sample.value
    return found


def scrape(server: Server) -> dict[str, float]:
    return values(generate_latest(registry_of(server)).decode())


def test_what_was_done_is_counted(fresh: Server) -> None:
    with fresh.client(timeout=PATIENT) as client:
        client.set("a", "text")
        for _ in range(3):
            client.get("a")
        with pytest.raises(Exception, match="no such key"):
            client.get("b")
        found = scrape(fresh)
    assert found["gibson_up"] == 1
    assert found["gibson_items"] == 1
    assert found["gibson_clients"] == 2
    assert found["gibson_connections_total"] == 2
    assert found["gibson_get_hits_total"] == 3
    assert found["gibson_get_misses_total"] == 1
    assert found["gibson_commands_total{command=get}"] == 4
    assert found["gibson_commands_total{command=set}"] == 1
    assert found["gibson_refusals_total{code=not_found}"] == 1
    assert found["gibson_disconnected_clients_total{reason=idle}"] == 0
    assert found["gibson_memory_limit_bytes"] == 2 << 30
    assert found["gibson_received_bytes_total"] > 0
    assert found["gibson_scrape_duration_seconds"] >= 0


def test_the_server_is_described(fresh: Server) -> None:
    with fresh.client(timeout=PATIENT) as client:
        version = client.stats()["server_version"]
    text = generate_latest(registry_of(fresh)).decode()
    assert re.search(rf'^gibson_server_info{{.*version="{version}".*}} 1.0$', text, re.MULTILINE)


def test_latency_is_a_histogram_in_seconds(fresh: Server) -> None:
    with fresh.client(timeout=PATIENT) as client:
        for _ in range(50):
            client.ping()
    found = scrape(fresh)
    buckets = {
        float(match[1]): value
        for key, value in found.items()
        if (match := re.fullmatch(r"gibson_request_duration_seconds_bucket{le=(.*)}", key))
    }
    bounds = sorted(buckets)
    assert bounds[0] == 4e-6
    assert bounds[-1] == float("inf")
    assert [buckets[bound] for bound in bounds] == sorted(buckets.values())
    # All but the STATS that asks, and what comes with it.
    assert 50 <= buckets[float("inf")] == found["gibson_request_duration_seconds_count"] <= 52
    assert 0 < found["gibson_request_duration_seconds_sum"] < 60


def test_names_follow_the_conventions(unix_server: Server) -> None:
    text = generate_latest(registry_of(unix_server)).decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families) > 30
    for family in families:
        assert re.fullmatch(r"gibson(_[a-z]+)+", family.name)
        assert family.documentation
        assert not re.search(r"_(ms|us|milliseconds|microseconds|kb|mb|percent)(_|$)", family.name)
        totals = [sample.name.endswith("_total") for sample in family.samples]
        assert all(totals) == any(totals) == (family.type == "counter"), family


def test_every_row_is_exported_or_known_to_say_nothing_more(unix_server: Server) -> None:
    left_out = {
        "server_time",  # Prometheus has a clock
        "item_pool_current_used",  # total_items
        "item_pool_total_capacity",  # item_pool_current_capacity
        "item_pool_object_size",
        "item_pool_max_block_size",
        "reqs_per_client_avg",  # total_requests over total_connections
    }
    with unix_server.client(timeout=PATIENT) as client:
        stats = client.stats()
    asked = set[str]()

    class Asked(dict[str, Any]):
        def __getitem__(self, row: str) -> Any:
            asked.add(row)
            return super().__getitem__(row)

    for part in prometheus._PARTS[:-2]:  # but for those that look at all rows
        if part is not prometheus._labelled:
            list(part(Asked(stats)))
    labelled = {
        row for row in stats for entry in prometheus._LABELLED if row.startswith(entry.prefix)
    }
    latency = {row for row in stats if "latency" in row or row == "total_timed_requests"}
    assert set(stats) - asked - labelled - latency == left_out
    assert not list(prometheus._later_counters(stats))


def test_the_readme_names_the_metrics(unix_server: Server) -> None:
    readme = Path(__file__).parents[2] / "python/README.md"
    section = readme.read_text().split("## Metrics for Prometheus")[1].split("\n## ")[0]
    documented = set(re.findall(r"gibson(?:_[a-z]+)+(?=[`{])", section)) - {"gibson_things_total"}
    found = set[str]()
    for key in scrape(unix_server):
        name = key.split("{")[0]
        histogram = re.sub(r"_(bucket|count|sum)$", "", name)
        found.add(histogram if histogram == "gibson_request_duration_seconds" else name)
    assert documented == found


def test_a_server_that_is_not_there_is_down(short_path: Any) -> None:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(GibsonCollector(unix_socket=short_path()))
    found = values(generate_latest(registry).decode())
    assert found.pop("gibson_scrape_duration_seconds") >= 0
    assert found == {"gibson_up": 0}


def test_a_server_that_comes_and_goes() -> None:
    server = Server()
    server.start()
    registry = registry_of(server)
    up = [values(generate_latest(registry).decode())["gibson_up"]]
    server.stop()
    up.append(values(generate_latest(registry).decode())["gibson_up"])
    server.start()
    up.append(values(generate_latest(registry).decode())["gibson_up"])
    server.stop()
    assert up == [1, 0, 1]


def test_no_answer_in_time_is_down(short_path: Any) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        path = short_path()
        listener.bind(path)
        listener.listen()
        found = GibsonCollector(unix_socket=path, timeout=10).collect()
        assert {metric.name: metric.samples[0].value for metric in found}["gibson_up"] == 0


def test_wrong_options_are_no_matter_of_the_server() -> None:
    with pytest.raises(TypeError):
        list(GibsonCollector(nonsense=1).collect())


REFERENCE_ROWS: dict[str, int | str] = {
    "server_version": "1.2.1",
    "server_started": 1700000000,
    "total_items": 7,
    "total_requests": 12,
    "memory_fragmentation": "1.500000",
    "compr_rate_avg": 25,
}


def test_a_server_without_rows_of_ours_has_what_it_has() -> None:
    metrics = [metric for part in prometheus._PARTS for metric in part(REFERENCE_ROWS)]
    found = {sample.name: sample.value for metric in metrics for sample in metric.samples}
    assert found == {
        "gibson_server_info": 1,
        "gibson_start_time_seconds": 1700000000,
        "gibson_items": 7,
        "gibson_requests_total": 12,
        "gibson_memory_fragmentation_ratio": 1.5,
        "gibson_compression_saved_ratio": 0.25,
    }


def test_rows_of_later_servers() -> None:
    rows: dict[str, int | str] = {
        "total_new_things": 3,
        "new_gauge": 4,
        "total_text": "none",
        'total_"} 1\n': 5,
        "total_": 6,
        "total_replies_teapot": 7,
    }
    metrics = [metric for part in prometheus._PARTS for metric in part(rows)]
    found = [
        (sample.name, sample.labels, sample.value)
        for metric in metrics
        for sample in metric.samples
    ]
    assert found == [
        ("gibson_refusals_total", {"code": "teapot"}, 7),
        ("gibson_new_things_total", {}, 3),
    ]


def test_scrapes_at_the_same_time(unix_server: Server) -> None:
    registry = registry_of(unix_server)
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: generate_latest(registry).decode(), range(40)))
    assert all(values(text)["gibson_up"] == 1 for text in texts)


def run_program(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pygibson.prometheus", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_program(server: Server, end: signal.Signals) -> None:
    where = [f"--{name.replace('_', '-')}={value}" for name, value in server.address.items()]
    with run_program(*where, "--listen", "127.0.0.1:0", "--timeout", str(PATIENT)) as process:
        assert process.stdout is not None
        found = re.fullmatch(
            r"listening on (http://127\.0\.0\.1:\d+/metrics)\n", process.stdout.readline()
        )
        assert found
        with urllib.request.urlopen(found[1]) as reply:
            text = reply.read().decode()
        process.send_signal(end)
        assert process.wait() == 0
    assert values(text)["gibson_up"] == 1


@pytest.mark.parametrize("listen", ["9128", "localhost:", "localhost:x", "localhost:65536"])
def test_program_refuses_what_is_no_address(listen: str) -> None:
    with run_program("--listen", listen) as process:
        _, said = process.communicate()
        assert process.returncode == 2
        assert "is no ADDRESS:PORT" in said


def test_without_prometheus_client_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['prometheus_client'] = None; import pygibson.prometheus"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install pygibson[prometheus]" in done.stderr


def test_the_package_does_not_need_it() -> None:
    code = "import sys, pygibson; assert 'prometheus_client' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
