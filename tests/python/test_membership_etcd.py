"""EtcdSource and EtcdRegistration, with an etcd of the test's own."""

from __future__ import annotations

import base64
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import followed
import pytest
from followed import addresses, started
from peer import LONG, until
from pygibson import Cluster
from pygibson.membership import SourceError, Stop, follow
from test_fork import in_child

pytest.importorskip("urllib3", reason="the extra pygibson[etcd] is not installed")

from daemons import Etcd, Forwarder
from pygibson.membership import EtcdRegistration, EtcdSource

A, B, C = "10.0.0.1:10128", "10.0.0.2:10128", "10.0.0.3:10128"
PREFIX = "/gibson/main/"
NEVER = 1000 * LONG


@pytest.fixture(scope="module")
def etcd_of_module() -> Iterator[Etcd]:
    with Etcd() as started:
        yield started


@pytest.fixture
def etcd(etcd_of_module: Etcd) -> Etcd:
    """Without keys. A test may kill it."""
    if etcd_of_module.process is None:
        etcd_of_module.start()
    etcd_of_module.delete_all()
    return etcd_of_module


@pytest.fixture
def way(etcd: Etcd) -> Iterator[Forwarder]:
    with closing(Forwarder(etcd.ports[0])) as made:
        yield made


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with followed.cluster() as made:
        yield made


def source_of(etcd: Etcd, *servers: str, **options: Any) -> EtcdSource:
    for server in servers:
        etcd.put(PREFIX + server)
    fast = {"retry_delay": 0.02, "retry_max_delay": 0.1, "timeout": LONG, "refresh": NEVER}
    return EtcdSource(etcd.url, PREFIX, **{**fast, **options})


def through(way: Forwarder, **options: Any) -> EtcdSource:
    fast = {"retry_delay": 0.02, "retry_max_delay": 0.1, "timeout": LONG, "refresh": NEVER}
    return EtcdSource(f"http://127.0.0.1:{way.port}", PREFIX, **{**fast, **options})


# -- the source ---------------------------------------------------------------------------------


def test_keys_under_the_prefix_are_servers(etcd: Etcd) -> None:
    etcd.put(PREFIX + B, "3")
    etcd.put(PREFIX + "10.0.0.1", "")
    etcd.put(PREFIX + "unix:/run/gibson.sock", " 2\n")  # as of etcdctl that reads a file
    etcd.put("/gibson/main2/" + C)
    etcd.put("/gibson/mai" + C)
    servers = [(A, 1), (B, 3), ("unix:/run/gibson.sock", 2)]
    assert source_of(etcd).read() == servers
    assert EtcdSource([etcd.url + "/"], "/gibson/main").read() == servers


def test_a_change_is_seen_by_the_watch(etcd: Etcd, cluster: Cluster) -> None:
    follower, told = started(cluster, source_of(etcd, A))
    with follower:
        etcd.put(PREFIX + B, "2")
        assert told.change() == [(A, 1), (B, 2)]
        etcd.delete(PREFIX + A)
        assert told.change() == [(B, 2)]
        etcd.put(PREFIX + B, "5")
        assert told.change() == [(B, 5)]
        assert addresses(cluster) == [B] and follower.failures == 0


def test_a_change_between_reading_and_watching_is_seen(etcd: Etcd) -> None:
    source = source_of(etcd, A)
    look = source.look()
    etcd.put(PREFIX + B)
    source.wait(look, Stop())
    assert source.read() == [(A, 1), (B, 1)]


def test_dotnet_etcd_264_a_compaction_is_handled_by_reading_again(etcd: Etcd) -> None:
    """A watch was silent after a compaction: dotnet-etcd 264, etcd3-py 61."""
    source = source_of(etcd, A)
    look = source.look()
    etcd.put(PREFIX + B)
    etcd.post("kv/compaction", revision=str(etcd.put(PREFIX + C)), physical=True)
    source.wait(look, Stop())
    assert source.read() == [(A, 1), (B, 1), (C, 1)]


def test_etcd3_py_61_after_an_outage_with_a_compaction_events_go_on(
    etcd: Etcd, way: Forwarder, cluster: Cluster
) -> None:
    """A watch was silent after an outage: dotnet-etcd 264, etcd3-py 61."""
    etcd.put(PREFIX + A)
    follower, told = started(cluster, through(way))
    with follower:
        way.cut()
        told.failure()
        etcd.put(PREFIX + B)
        etcd.post("kv/compaction", revision=str(etcd.put(PREFIX + C)), physical=True)
        told.failure()
        assert addresses(cluster) == [A]
        way.restore()
        assert told.change() == [(A, 1), (B, 1), (C, 1)]
        etcd.delete(PREFIX + B)
        assert told.change() == [(A, 1), (C, 1)]
        until(lambda: not follower.is_failing)


def test_a_watch_whose_peer_has_vanished_is_replaced(
    etcd: Etcd, way: Forwarder, cluster: Cluster
) -> None:
    """No packet says that the connection is gone; only the refresh notices."""
    etcd.put(PREFIX + A)
    source = through(way, refresh=0.5)
    follower, told = started(cluster, source)
    source._gateway._timeout = 1
    with follower:
        way.hold()
        etcd.put(PREFIX + B)
        told.failure()
        assert addresses(cluster) == [A]
        way.restore()
        assert told.change() == [(A, 1), (B, 1)]


def test_etcd_killed_and_restarted_is_followed_again(etcd: Etcd, cluster: Cluster) -> None:
    follower, told = started(cluster, source_of(etcd, A))
    with follower:
        etcd.kill()
        told.failure()
        told.failure_with("refused")
        assert addresses(cluster) == [A] and follower.is_failing
        etcd.start()
        etcd.put(PREFIX + B)
        assert told.change() == [(A, 1), (B, 1)]
        etcd.put(PREFIX + C)
        assert told.change() == [(A, 1), (B, 1), (C, 1)]
        until(lambda: not follower.is_failing)


def test_etcd_whose_data_are_lost_is_read_anew(etcd: Etcd, cluster: Cluster) -> None:
    """Its revisions begin anew, so that the watch would be one of the future."""
    follower, told = started(cluster, source_of(etcd, A))
    with follower:
        etcd.kill()
        told.failure()
        etcd.forget()
        etcd.start()
        told.failure_with("the list of servers is empty")
        assert addresses(cluster) == [A]
        etcd.put(PREFIX + B)
        assert told.change() == [(B, 1)]


def test_an_empty_prefix_keeps_the_list(etcd: Etcd, cluster: Cluster) -> None:
    follower, told = started(cluster, source_of(etcd, A))
    with follower:
        etcd.delete(PREFIX + A)
        assert "the list of servers is empty" in told.failure()
        assert addresses(cluster) == [A]
        etcd.put(PREFIX + B)
        assert told.change() == [(B, 1)]


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("", "", "has no host"),
        (A, "many", "the weight 'many'"),
        (A, "0", "a weight must be from 1"),
        ("10.0.0.1:port", "", "has a port that is not"),
        ("10.0.0.2", "", "is there twice"),
        ("a server", "", "has spaces"),
    ],
)
def test_a_malformed_entry_keeps_the_list(
    etcd: Etcd, cluster: Cluster, key: str, value: str, said: str
) -> None:
    follower, told = started(cluster, source_of(etcd, B))
    with follower:
        etcd.put(PREFIX + key, value)
        assert said in told.failure()
        assert addresses(cluster) == [B]
        etcd.delete(PREFIX + key)
        etcd.put(PREFIX + C)
        assert told.change() == [(B, 1), (C, 1)]


def test_another_endpoint_answers_for_one_that_is_dead(etcd: Etcd, cluster: Cluster) -> None:
    with closing(Forwarder(etcd.ports[0])) as dead:
        dead.cut()
        etcd.put(PREFIX + A)
        source = EtcdSource([f"http://127.0.0.1:{dead.port}", etcd.url], PREFIX, refresh=NEVER)
        follower, told = started(cluster, source)
        with follower:
            etcd.put(PREFIX + B)
            assert told.change() == [(A, 1), (B, 1)]
            assert follower.failures == 0


def test_a_wrong_endpoint_is_told_at_once(etcd: Etcd, cluster: Cluster) -> None:
    with closing(Forwarder(etcd.ports[0])) as dead:
        dead.cut()
        source = EtcdSource(f"http://127.0.0.1:{dead.port}", PREFIX)
        with pytest.raises(SourceError, match=rf"127\.0\.0\.1:{dead.port}"):
            follow(cluster, source)
    with pytest.raises(SourceError, match="404"):
        follow(cluster, EtcdSource(etcd.url + "/elsewhere", PREFIX))


def test_the_end_interrupts_the_watch(etcd: Etcd, way: Forwarder, cluster: Cluster) -> None:
    etcd.put(PREFIX + A)
    with follow(cluster, through(way)) as follower:
        for _ in range(2):  # the reading and the watch
            assert way.accepted.acquire(timeout=LONG)
        start = time.monotonic()
    assert time.monotonic() - start < LONG / 3
    follower._thread.join(LONG)
    assert not follower._thread.is_alive() and follower.failures == 0


def test_a_user_and_a_password(cluster: Cluster) -> None:
    with Etcd() as etcd:
        etcd.put(PREFIX + A)
        etcd.post("auth/user/add", name="root", password="secret")
        etcd.post("auth/role/add", name="root")
        etcd.post("auth/user/grant", user="root", role="root")
        etcd.post("auth/enable")
        with pytest.raises(SourceError):
            source_of(etcd).read()
        with pytest.raises(SourceError, match="authentication failed"):
            source_of(etcd, username="root", password="wrong").read()
        source = source_of(etcd, username="root", password="secret")
        source._gateway._token = "one that is no longer valid"
        follower, told = started(cluster, source)
        with follower:
            with EtcdRegistration(etcd.url, PREFIX, B, username="root", password="secret"):
                assert told.change() == [(A, 1), (B, 1)]
            assert told.change() == [(A, 1)]
            assert follower.failures == 0


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_connection_with_tls(cluster: Cluster) -> None:
    with Etcd(tls=True) as etcd:
        with pytest.raises(SourceError, match="certificate"):
            source_of(etcd, A).read()
        source = source_of(etcd, ssl_context=etcd.ssl_context)
        follower, told = started(cluster, source)
        with follower:
            with EtcdRegistration(etcd.url, PREFIX, B, ssl_context=etcd.ssl_context):
                assert told.change() == [(A, 1), (B, 1)]
            assert told.change() == [(A, 1)]
        follower._thread.join(LONG)
        assert not follower._thread.is_alive() and follower.failures == 0


def test_arguments_that_make_no_sense_are_refused() -> None:
    url = "http://127.0.0.1:1"
    for endpoints in ("127.0.0.1:2379", [], ["ftp://127.0.0.1"]):
        with pytest.raises(ValueError, match="endpoint"):
            EtcdSource(endpoints, PREFIX)
    for prefix in ("", "/"):
        with pytest.raises(ValueError, match="prefix"):
            EtcdSource(url, prefix)
    for option in ("timeout", "refresh", "retry_delay", "retry_max_delay"):
        for wrong in (0, -1, float("nan"), float("inf"), "x"):
            with pytest.raises((ValueError, TypeError), match=option):
                EtcdSource(url, PREFIX, **{option: wrong})  # type: ignore[arg-type]
    for ttl in (0, -1, float("inf"), "10"):
        with pytest.raises(ValueError, match="ttl"):
            EtcdRegistration(url, PREFIX, A, ttl=ttl)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="EtcdRegistration: a weight"):
        EtcdRegistration(url, PREFIX, A, weight="2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="EtcdRegistration: an address"):
        EtcdRegistration(url, PREFIX, 5)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="has a port that is not"):
        EtcdRegistration(url, PREFIX, "10.0.0.1:port")


class FakeGateway(http.server.ThreadingHTTPServer):
    """What stands in the place of etcd and answers nonsense: `answers` has a body for each path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FakeAnswer)
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class FakeAnswer(http.server.BaseHTTPRequestHandler):
    server: FakeGateway

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.answers[self.path])


@pytest.fixture
def nonsense() -> Iterator[FakeGateway]:
    with FakeGateway() as gateway:
        thread = threading.Thread(target=gateway.serve_forever, args=(0.01,))
        thread.start()
        yield gateway
        gateway.shutdown()
        thread.join()


def _listing(value: str) -> bytes:
    key = base64.b64encode(f"{PREFIX}{A}".encode()).decode()
    pairs = [{"key": key, "value": value}]
    return json.dumps({"header": {"revision": "5"}, "kvs": pairs}).encode()


@pytest.mark.parametrize(
    "answer", [b"[" * 100000, b"[]", b"5", b"\xff", _listing("%%"), _listing("=")]
)
def test_an_answer_that_is_nonsense_is_a_failure(nonsense: FakeGateway, answer: bytes) -> None:
    nonsense.answers["/v3/kv/range"] = answer
    with pytest.raises(SourceError):
        EtcdSource(nonsense.url, PREFIX).read()


def test_a_watch_that_is_always_compacted_is_not_repeated_at_once(
    nonsense: FakeGateway, cluster: Cluster
) -> None:
    nonsense.answers["/v3/kv/range"] = _listing(base64.b64encode(b"2").decode())
    nonsense.answers["/v3/watch"] = b'{"result":{"canceled":true,"compact_revision":"9"}}\n'
    started = time.monotonic()
    with follow(cluster, EtcdSource(nonsense.url, PREFIX, retry_delay=0.1)):
        until(lambda: len(nonsense.asked) >= 7)
    assert time.monotonic() - started >= 0.2  # three watches, and a pause after each


# -- the registration ---------------------------------------------------------------------------


def test_a_server_is_listed_until_the_end_of_the_with_statement(
    etcd: Etcd, cluster: Cluster
) -> None:
    follower, told = started(cluster, source_of(etcd, A))
    with follower:
        with EtcdRegistration(etcd.url, PREFIX, "10.0.0.2", weight=3) as registration:
            assert registration.key == PREFIX + B and registration.registrations == 1
            assert told.change() == [(A, 1), (B, 3)]
        assert told.change() == [(A, 1)]
    assert not registration._thread.is_alive() and registration.failures == 0
    registration.close()


def test_a_lease_is_renewed(etcd: Etcd) -> None:
    with EtcdRegistration(etcd.url, PREFIX, A, ttl=10) as registration:
        left = [registration._ttl]

        def renewed() -> bool:
            left.append(int(etcd.post("lease/timetolive", ID=registration._lease)["TTL"]))
            return left[-1] > left[-2]

        until(renewed)
        assert registration.registrations == 1 and registration.failures == 0


REGISTER = """
import sys, threading
from pygibson.membership import EtcdRegistration
with EtcdRegistration(sys.argv[1], sys.argv[2], sys.argv[3], ttl=2):
    print("registered", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, None])
def test_a_server_whose_process_has_gone_leaves_the_list(
    etcd: Etcd, cluster: Cluster, number: int | None
) -> None:
    follower, told = started(cluster, source_of(etcd, A))
    process = subprocess.Popen(
        [sys.executable, "-c", REGISTER, etcd.url, PREFIX, B],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with follower, process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"registered\n"
        assert told.change() == [(A, 1), (B, 1)]
        if number is None:
            process.stdin.close()
        else:
            process.send_signal(number)
        assert told.change() == [(A, 1)]


def test_a_lost_lease_is_replaced(etcd: Etcd, cluster: Cluster) -> None:
    follower, told = started(cluster, source_of(etcd, A))
    with follower:
        with EtcdRegistration(etcd.url, PREFIX, B, ttl=2) as registration:
            assert told.change() == [(A, 1), (B, 1)]
            etcd.post("lease/revoke", ID=registration._lease)
            assert told.change() == [(A, 1)]
            assert told.change() == [(A, 1), (B, 1)]
            until(lambda: registration.registrations >= 2)
        assert told.change() == [(A, 1)]


def test_a_registration_survives_an_outage_of_etcd(etcd: Etcd) -> None:
    failed = threading.Event()
    with EtcdRegistration(
        etcd.url, PREFIX, A, ttl=2, on_failure=lambda _: failed.set()
    ) as registration:
        etcd.kill()
        assert failed.wait(LONG)
        assert registration.is_failing and "refused" in str(registration.last_error)
        etcd.forget()
        etcd.start()
        until(lambda: etcd.keys(PREFIX) == {PREFIX + A: "1"})
        until(lambda: not registration.is_failing)
        assert registration.registrations >= 2
    assert etcd.keys(PREFIX) == {}


def test_a_put_that_was_lost_is_repeated(etcd: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease lives, but without the key."""
    with EtcdRegistration(etcd.url, PREFIX, A, ttl=2) as registration:
        call = registration._gateway.call
        lost = threading.Event()

        def losing(path: str, message: dict[str, Any]) -> dict[str, Any]:
            if path == "/v3/kv/put" and not lost.is_set():
                lost.set()
                raise SourceError("no answer")
            return call(path, message)

        monkeypatch.setattr(registration._gateway, "call", losing)
        etcd.post("lease/revoke", ID=registration._lease)
        assert lost.wait(LONG)
        until(lambda: etcd.keys(PREFIX) == {PREFIX + A: "1"})


def test_a_registration_that_cannot_be_is_told_at_once(etcd: Etcd, way: Forwarder) -> None:
    way.cut()
    before = threading.active_count()
    with pytest.raises(SourceError):
        EtcdRegistration(f"http://127.0.0.1:{way.port}", PREFIX, A)
    assert threading.active_count() <= before


def test_the_end_of_a_registration_without_etcd_is_logged(
    etcd: Etcd, caplog: pytest.LogCaptureFixture
) -> None:
    with EtcdRegistration(etcd.url, PREFIX, A):
        etcd.kill()
    assert "is listed for another 10 s" in caplog.text


def test_a_server_whose_check_fails_leaves_the_list(etcd: Etcd, cluster: Cluster) -> None:
    broken = threading.Event()

    def check() -> None:
        if broken.is_set():
            raise ConnectionError("the server is down")

    follower, told = started(cluster, source_of(etcd, A))
    with follower, EtcdRegistration(etcd.url, PREFIX, B, ttl=2, check=check) as registration:
        assert told.change() == [(A, 1), (B, 1)]
        broken.set()
        assert told.change() == [(A, 1)]
        until(lambda: str(registration.last_error) == "the server is down")
        broken.clear()
        assert told.change() == [(A, 1), (B, 1)]
    broken.set()
    with pytest.raises(ConnectionError, match="the server is down"):
        EtcdRegistration(etcd.url, PREFIX, C, check=check)


def test_a_registration_is_not_that_of_a_child_of_fork(etcd: Etcd) -> None:
    with EtcdRegistration(etcd.url, PREFIX, A) as registration:
        in_child(registration.close)
        assert etcd.keys(PREFIX) == {PREFIX + A: "1"}


def test_a_child_of_fork_may_read_and_follow_the_source_of_its_parent(
    etcd: Etcd, cluster: Cluster
) -> None:
    source = source_of(etcd, A)
    follower, told = started(cluster, source)

    def in_the_child() -> None:
        with followed.cluster() as own, follow(own, source):
            assert addresses(own) == [A]

    with follower:
        in_child(in_the_child)
        etcd.put(PREFIX + B)
        assert told.change() == [(A, 1), (B, 1)]
