"""DNSSource, with a dnsmasq of the test's own."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import followed
import pytest
from followed import addresses, started
from peer import LONG, until
from pygibson import Cluster
from pygibson.membership import SourceError, follow

pytest.importorskip("dns", reason="the extra pygibson[dns] is not installed")

from daemons import Dnsmasq
from dns.name import Name
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.IN.SRV import SRV
from dns.resolver import Resolver
from pygibson.membership import DNSSource
from pygibson.membership._dns import _service_servers

NAME = "cache.test"
SERVICE = "_gibson._tcp.cache.test"


@pytest.fixture
def dns() -> Iterator[Dnsmasq]:
    with Dnsmasq() as started:
        yield started


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with followed.cluster() as made:
        yield made


def source_of(dns: Dnsmasq, name: str = NAME, **options: Any) -> DNSSource:
    fast = {"min_ttl": 0.05, "retry_delay": 0.02, "retry_max_delay": 0.1, "timeout": LONG}
    return DNSSource(name, nameservers=[dns.address], **{**fast, **options})


def srv(target: str, port: int, priority: int = 0, weight: int = 1) -> str:
    return f"--srv-host={SERVICE},{target},{port},{priority},{weight}"


def test_address_records_are_servers(dns: Dnsmasq) -> None:
    dns.set_hosts(f"10.0.0.2 {NAME}", f"10.0.0.1 {NAME}", f"fd00::2 {NAME}", f"fd00::1 {NAME}")
    assert source_of(dns).read() == [("10.0.0.1:10128", 1), ("10.0.0.2:10128", 1)]
    source = source_of(dns, record="AAAA", port=7)
    assert source.read() == [("[fd00::1]:7", 1), ("[fd00::2]:7", 1)]
    with Cluster(source.read()) as made:
        assert addresses(made) == ["[fd00::1]:7", "[fd00::2]:7"]


def test_service_records_have_ports_and_weights(dns: Dnsmasq) -> None:
    dns.restart(srv("one.test", 1, weight=5), srv("Two.test", 2, weight=0))
    assert source_of(dns, SERVICE, record="SRV").read() == [("one.test:1", 5), ("two.test:2", 1)]


def test_only_the_lowest_priority_is_used(dns: Dnsmasq) -> None:
    dns.restart(srv("reserve.test", 1, priority=20), srv("main.test", 1, priority=10))
    assert source_of(dns, SERVICE, record="SRV").read() == [("main.test:1", 1)]


def test_a_service_that_is_not_offered_is_a_failure(dns: Dnsmasq) -> None:
    dns.restart(f"--srv-host={SERVICE}")  # a target of "."
    with pytest.raises(SourceError, match="the list of servers is empty"):
        source_of(dns, SERVICE, record="SRV").read()


def test_thanos_6551_a_changed_record_is_followed_within_its_time_to_live(
    dns: Dnsmasq, cluster: Cluster
) -> None:
    """An address was cached for ever: thanos 6551."""
    dns.set_hosts(f"10.0.0.1 {NAME}")
    source = source_of(dns)
    assert source.look().place == 1  # second, of dnsmasq's option
    follower, told = started(cluster, source)
    with follower:
        dns.set_hosts(f"10.0.0.2 {NAME}", f"10.0.0.3 {NAME}")
        assert told.change() == [("10.0.0.2:10128", 1), ("10.0.0.3:10128", 1)]
        assert addresses(cluster) == ["10.0.0.2:10128", "10.0.0.3:10128"]
        assert follower.failures == 0


def test_the_time_to_live_is_honoured_within_limits(dns: Dnsmasq) -> None:
    waited: list[float] = []

    class Noted:
        def wait(self, seconds: float) -> bool:
            waited.append(seconds)
            return True

    dns.restart(f"--host-record=long.test,10.0.0.1,{7200}", f"--host-record={NAME},10.0.0.1,60")
    for name, least in ((NAME, 1), ("long.test", 1), (NAME, 90)):
        source = DNSSource(name, nameservers=[dns.address], timeout=LONG, min_ttl=least)
        source.wait(source.look(), Noted())  # type: ignore[arg-type]
    assert waited == [60, 300, 90]


def test_memcached_proxylibs_9_an_answer_in_another_order_changes_nothing(
    dns: Dnsmasq, cluster: Cluster
) -> None:
    """DNS order reshuffled servers: memcached-proxylibs 9. dnsmasq rotates its answers."""
    hosts = [f"10.0.0.{number} {NAME}" for number in range(1, 9)]
    dns.set_hosts(*hosts)
    source = source_of(dns)
    orders = {tuple(record.address for record in source._ask()) for _ in range(8)}
    assert len(orders) > 1
    follower, _ = started(cluster, source)
    with follower:
        places = {f"key:{n}": cluster.server_of(f"key:{n}") for n in range(200)}
        for _ in range(8):
            assert source.read() == follower.servers
        dns.set_hosts(*reversed(hosts))
        cluster.set_servers(source.read())
        assert places == {key: cluster.server_of(key) for key in places}


def test_a_name_that_is_gone_keeps_the_list_until_it_comes_back(
    dns: Dnsmasq, cluster: Cluster
) -> None:
    dns.set_hosts(f"10.0.0.1 {NAME}")
    follower, told = started(cluster, source_of(dns))
    with follower:
        dns.set_hosts()
        assert "does not exist" in told.failure()  # NXDOMAIN
        assert addresses(cluster) == ["10.0.0.1:10128"] and follower.is_failing
        dns.set_hosts(f"10.0.0.2 {NAME}")
        assert told.change() == [("10.0.0.2:10128", 1)]
        until(lambda: not follower.is_failing)


def test_a_name_without_such_a_record_keeps_the_list(dns: Dnsmasq, cluster: Cluster) -> None:
    dns.set_hosts(f"10.0.0.1 {NAME}")
    follower, told = started(cluster, source_of(dns))
    with follower:
        dns.set_hosts(f"fd00::1 {NAME}")
        assert "does not contain an answer" in told.failure()
        assert addresses(cluster) == ["10.0.0.1:10128"]


def test_a_name_server_that_refuses_is_a_failure(dns: Dnsmasq) -> None:
    with pytest.raises(SourceError, match=r"REFUSED|SERVFAIL"):
        source_of(dns, "elsewhere.example").read()


def test_a_name_server_that_is_silent_keeps_the_list(dns: Dnsmasq, cluster: Cluster) -> None:
    dns.set_hosts(f"10.0.0.1 {NAME}")
    source = source_of(dns)
    follower, told = started(cluster, source)
    source.timeout = 0.5
    with follower:
        dns.signal(signal.SIGSTOP)
        try:
            told.failure_with("no answer within 0.5 s")
        finally:
            dns.signal(signal.SIGCONT)
        assert addresses(cluster) == ["10.0.0.1:10128"]
        dns.set_hosts(f"10.0.0.2 {NAME}")
        assert told.change() == [("10.0.0.2:10128", 1)]


def test_a_name_server_that_is_restarted_is_asked_again(dns: Dnsmasq, cluster: Cluster) -> None:
    dns.restart(srv("one.test", 1))
    source = source_of(dns, SERVICE, record="SRV")
    assert source.read() == [("one.test:1", 1)]
    follower, told = started(cluster, source)
    source.timeout = 0.5
    with follower:
        dns.kill()
        told.failure()
        assert addresses(cluster) == ["one.test:1"]
        dns.restart(srv("one.test", 1, weight=2), srv("two.test", 1))
        assert told.change() == [("one.test:1", 2), ("two.test:1", 1)]


def test_a_second_name_server_answers_for_the_first(dns: Dnsmasq) -> None:
    dns.set_hosts(f"10.0.0.1 {NAME}")
    with Dnsmasq() as dead:
        dead.kill()
        source = DNSSource(NAME, nameservers=[dead.address, dns.address], timeout=LONG)
        assert source.read() == [("10.0.0.1:10128", 1)]


def test_the_name_servers_and_the_search_list_of_the_system(
    dns: Dnsmasq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "resolv.conf"
    configuration.write_text("nameserver 127.0.0.1\nsearch test\n")

    class Configured(Resolver):
        def __init__(self, configure: bool) -> None:
            super().__init__(str(configuration), configure)
            self.port = dns.ports[0]
            self.nameservers = ["127.0.0.1"]

    monkeypatch.setattr("dns.resolver.Resolver", Configured)
    dns.set_hosts(f"10.0.0.1 {NAME}")
    source = DNSSource(NAME.partition(".")[0], timeout=LONG)
    assert source.read() == [("10.0.0.1:10128", 1)]
    assert DNSSource(NAME + ".", timeout=LONG).read() == source.read()
    with pytest.raises(SourceError):
        source_of(dns, source.name).read()  # with name servers of its own: the name as it is


def test_a_wrong_name_is_told_at_once(dns: Dnsmasq, cluster: Cluster) -> None:
    with pytest.raises(SourceError, match=r"nosuch\.test.*does not exist"):
        follow(cluster, source_of(dns, "nosuch.test"))
    with pytest.raises(SourceError, match="label"):
        source_of(dns, "a..b").read()


@pytest.mark.parametrize("timeout", [1.0, 2.0, 5.0])
def test_a_second_name_server_is_asked_whatever_the_timeout(dns: Dnsmasq, timeout: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        dns.set_hosts(f"10.0.0.1 {NAME}")
        dead = f"127.0.0.1:{silent.getsockname()[1]}"
        source = DNSSource(NAME, nameservers=[dead, dns.address], timeout=timeout)
        assert source.read()


def test_a_target_that_is_no_host_name_is_a_failure(dns: Dnsmasq) -> None:
    for target in ("unix:/tmp/socket", "a b", "a,b", "[::1]"):
        name = Name([target.encode(), b""])
        record: Any = SRV(RdataClass.IN, RdataType.SRV, 0, 5, 1, name)  # type: ignore[no-untyped-call]
        with pytest.raises(SourceError, match="is no host name"):
            _service_servers([record], "DNS")


def test_arguments_that_make_no_sense_are_refused() -> None:
    for option in ("timeout", "max_ttl", "retry_delay", "retry_max_delay"):
        for wrong in (0, -1, float("nan"), float("inf"), "x"):
            with pytest.raises((ValueError, TypeError)):
                DNSSource(NAME, **{option: wrong})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="record must be one of A, AAAA, SRV"):
        DNSSource(NAME, record="MX")
    for least, most in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="min_ttl"):
            DNSSource(NAME, min_ttl=least, max_ttl=most)
    for wrong in ("localhost", "127.0.0.1:dns", "[::1", "", "127.0.0.1:0", "127.0.0.1:65536"):
        with pytest.raises(ValueError, match="a name server is an address"):
            DNSSource(NAME, nameservers=[wrong])
    DNSSource(NAME, nameservers=["::1", "[::1]:5353", "127.0.0.1"])
