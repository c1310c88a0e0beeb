"""Following a source of the list of servers, and files. DNS and etcd have tests of their own."""

from __future__ import annotations

import logging
import os
import pickle
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import followed
import pygibson
import pytest
from followed import ELSEWHERE, Told, addresses, started
from peer import LONG, until
from pygibson import Cluster, ConnectionLostError, PyGibsonError, Server
from pygibson.membership import FileSource, Follower, Source, SourceError, Stop, follow
from pygibson.membership._file import _Contents
from test_fork import in_child

A, B, C = "10.0.0.1:10128", "10.0.0.2:10128", "10.0.0.3:10128"
FAST = 0.01  # seconds from one reading to the next


class Listed(Source):
    """A source that says what it is told to, and counts how often it is asked."""

    interval = retry_delay = retry_max_delay = FAST

    def __init__(self, *servers: str) -> None:
        self.servers = [(server, 1) for server in servers]
        self.error: Exception | None = None
        self.asked = threading.Semaphore(0)

    def read(self) -> list[tuple[str, int]]:
        self.asked.release()
        if self.error is not None:
            raise self.error
        return list(self.servers)

    def set(self, *servers: str) -> None:
        self.servers = [(server, 1) for server in servers]

    def asked_again(self) -> None:
        """Wait for two readings, of which the second began after this call."""
        while self.asked.acquire(blocking=False):
            pass
        for _ in range(2):
            assert self.asked.acquire(timeout=LONG)

    def __repr__(self) -> str:
        return "Listed()"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with followed.cluster() as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "servers"


def replace(path: Path, text: str) -> None:
    """As an editor does that keeps the file whole."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def source_of(path: Path, text: str, **options: Any) -> FileSource:
    replace(path, text)
    return FileSource(path, **{"interval": FAST, "quiet": 0, **options})


# -- following ----------------------------------------------------------------------------------


def test_the_cluster_has_the_first_list_when_follow_returns(cluster: Cluster) -> None:
    with follow(cluster, Listed(A, B)) as follower:
        assert addresses(cluster) == [A, B]
        assert follower.servers == [(A, 1), (B, 1)]
        assert (follower.changes, follower.failures, follower.last_error) == (1, 0, None)
        assert not follower.is_failing


def test_a_change_is_followed(cluster: Cluster) -> None:
    source = Listed(A)
    follower, told = started(cluster, source)
    with follower:
        source.set(B, C)
        assert told.change() == [(B, 1), (C, 1)]
        assert addresses(cluster) == [B, C]
        assert follower.changes == 2


def test_the_list_is_set_only_if_it_changed() -> None:
    given = []

    class Noted:
        def set_servers(self, servers: list[tuple[str, int]], /) -> None:
            given.append(servers)

    source = Listed(A)
    with follow(Noted(), source):
        source.asked_again()
    assert given == [[(A, 1)]]


def test_a_first_reading_that_fails_is_raised(cluster: Cluster) -> None:
    source = Listed()
    source.error = SourceError("no such list")
    before = threading.active_count()
    with pytest.raises(SourceError, match="no such list"):
        follow(cluster, source)
    assert threading.active_count() == before
    assert addresses(cluster) == [ELSEWHERE]


def test_a_first_reading_that_need_not_work_keeps_the_list_of_the_cluster(cluster: Cluster) -> None:
    source, told = Listed(A), Told()
    source.error = SourceError("not yet")
    with follow(cluster, source, must_read=False, **told.options) as follower:
        assert addresses(cluster) == [ELSEWHERE]
        assert follower.servers is None and follower.is_failing
        source.error = None
        assert told.change() == [(A, 1)]
        assert told.failure() == "not yet"
        until(lambda: not follower.is_failing)


def test_a_source_that_fails_keeps_the_list_and_says_so(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pygibson.membership")
    source = Listed(A)
    follower, told = started(cluster, source)
    with follower:
        error = source.error = SourceError("the disk is gone")
        for _ in range(3):
            assert told.failure() == "the disk is gone"
        assert addresses(cluster) == [A]
        assert follower.is_failing and follower.last_error is error and follower.failures >= 3
        source.set(B)
        source.error = None
        assert told.change() == [(B, 1)]
        until(lambda: not follower.is_failing)
        assert follower.last_error is error  # for who looks later
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == [
        "Listed(): the disk is gone; the last list is kept (failure 1 in a row)"
    ]
    assert {record.name for record in caplog.records} == {"pygibson.membership"}
    assert any("works again" in record.getMessage() for record in caplog.records)


def test_an_empty_list_is_a_failure(cluster: Cluster) -> None:
    source = Listed(A)
    follower, told = started(cluster, source)
    with follower:
        source.set()
        assert "the list of servers is empty" in told.failure()
        assert addresses(cluster) == [A]


def test_an_exception_of_any_kind_is_a_failure(cluster: Cluster) -> None:
    source = Listed(A)
    follower, told = started(cluster, source)
    with follower:
        source.error = KeyError("a mistake")
        assert "a mistake" in told.failure()
        source.error = None
        source.set("10.0.0.1:no port")
        told.failure_with("has a port that is not from 1 to 65535")
        assert addresses(cluster) == [A]
        source.set(B)
        assert told.change() == [(B, 1)]


def test_a_callback_that_raises_ends_nothing(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ValueError("of the callback")

    source = Listed(A)
    with follow(cluster, source, on_change=fail, on_failure=fail):
        source.error = SourceError("and of the source")
        source.asked_again()
        source.error = None
        source.set(B)
        until(lambda: addresses(cluster) == [B])
    assert "of the callback" in caplog.text


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_callback_or_a_source_that_raises_what_ends_a_program_ends_no_thread(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, end: type[BaseException]
) -> None:
    def fail(servers: object) -> None:
        if servers != [(A, 1)]:  # the first reading is in this thread
            raise end("of the callback")

    source = Listed(A)
    with follow(cluster, source, on_change=fail, on_failure=fail) as follower:
        source.set(B)
        until(lambda: addresses(cluster) == [B])
        source.error = end("of the source")  # type: ignore[assignment]
        source.asked_again()
        assert follower.is_failing and end.__name__ in str(follower.last_error)
        source.error = None
        source.set(C)
        until(lambda: addresses(cluster) == [C])
    assert "of the callback" in caplog.text and "of the source" in caplog.text


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "x"])
def test_a_source_whose_interval_makes_no_sense_does_not_keep_a_processor_busy(
    cluster: Cluster, wrong: Any
) -> None:
    source = Listed(A)
    with follow(cluster, source):
        source.interval = wrong
        while source.asked.acquire(blocking=False):
            pass
        started = time.process_time()
        assert source.asked.acquire(timeout=LONG)
        time.sleep(0.3)  # what it does in that time is what is measured
        assert time.process_time() - started < 0.2


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), 1e30, 10**400, "x", None])
def test_a_time_that_makes_no_sense_is_refused(path: Path, wrong: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="interval"):
        FileSource(path, interval=wrong)
    if wrong != 0:
        with pytest.raises((ValueError, TypeError), match="quiet"):
            FileSource(path, quiet=wrong)


def test_a_callback_may_end_it(cluster: Cluster) -> None:
    source = Listed(A)
    over = threading.Event()

    def end(servers: list[tuple[str, int]]) -> None:
        if servers != [(A, 1)]:
            follower.close()
            over.set()

    follower = follow(cluster, source, on_change=end)
    source.set(B)
    assert over.wait(LONG)
    until(lambda: not follower._thread.is_alive())


def test_it_ends_promptly_and_changes_nothing_later(cluster: Cluster) -> None:
    class Slow(Listed):
        reading = threading.Event()
        go_on = threading.Event()

        def read(self) -> list[tuple[str, int]]:
            if threading.current_thread() is not threading.main_thread():
                self.reading.set()
                assert self.go_on.wait(LONG)
            return super().read()

    source = Slow(A)
    with follow(cluster, source) as follower:
        source.set(B)
        assert source.reading.wait(LONG)
        start = time.monotonic()
    assert time.monotonic() - start < LONG / 3
    source.go_on.set()
    follower._thread.join(LONG)
    assert not follower._thread.is_alive()
    assert addresses(cluster) == [A]
    assert "closed" in repr(follower)


def test_the_end_interrupts_a_long_wait(cluster: Cluster) -> None:
    source = Listed(A)
    source.interval = 1000 * LONG
    with follow(cluster, source) as follower:
        pass
    assert not follower._thread.is_alive()


def test_a_cluster_that_is_closed_is_a_failure() -> None:
    source = Listed(A)
    with followed.cluster() as cluster:
        follower, told = started(cluster, source)
    with follower:
        source.set(B)
        assert "the cluster is closed" in told.failure()
    with pytest.raises(ConnectionLostError):
        follow(cluster, source)


def test_several_clusters_may_follow_one_source(cluster: Cluster) -> None:
    source = Listed(A)
    with followed.cluster() as other, follow(cluster, source), follow(other, source):
        source.set(B)
        until(lambda: addresses(cluster) == addresses(other) == [B])


def test_a_child_of_fork_keeps_its_list_and_may_follow_anew(cluster: Cluster) -> None:
    source = Listed(A)
    follower, told = started(cluster, source)

    def in_the_child() -> None:
        assert addresses(cluster) == [A]
        follower.close()  # of the parent
        fresh = Listed(B)
        with followed.cluster() as own:
            again, heard = started(own, fresh)
            with again:
                fresh.set(C)
                assert heard.change() == [(C, 1)]
        assert addresses(cluster) == [A]

    with follower:
        in_child(in_the_child)
        source.set(B)
        assert told.change() == [(B, 1)]


def test_a_stop_interrupts_what_begins_after_it() -> None:
    stop = Stop()
    called: list[str] = []
    with stop.interrupting(lambda: called.append("during")):
        stop.set()
    with stop.interrupting(lambda: called.append("after")):
        pass
    stop.set()
    assert called == ["during", "after"]
    assert stop.wait(1000 * LONG)


def test_the_error_is_one_of_pygibson() -> None:
    error = pickle.loads(pickle.dumps(SourceError("a reason")))
    assert isinstance(error, PyGibsonError) and str(error) == "a reason"
    with pytest.raises(AttributeError):
        _ = pygibson.membership.NoSuchSource


@pytest.mark.parametrize(
    "name, file, library, extra",
    [
        ("DNSSource", "_dns", "dns.exception", "dns"),
        ("EtcdSource", "_gateway", "urllib3", "etcd"),
        ("EtcdRegistration", "_gateway", "urllib3", "etcd"),
    ],
)
def test_without_its_library_a_source_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str, file: str, library: str, extra: str
) -> None:
    for module in (file, "_etcd", "_registration"):
        monkeypatch.delitem(sys.modules, f"pygibson.membership.{module}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"pip install pygibson\[{extra}\]"):
        getattr(pygibson.membership, name)


# -- files --------------------------------------------------------------------------------------


def test_a_file_lists_addresses_weights_and_comments(path: Path) -> None:
    text = f"# those of the cache\n{B}   3 # large\n\n  unix:/run/gibson.sock\n[::1]\n10.0.0.1\t2\n"
    servers = source_of(path, text).read()
    assert servers == [(A, 2), (B, 3), ("[::1]:10128", 1), ("unix:/run/gibson.sock", 1)]
    with Cluster(servers) as made:
        assert addresses(made) == [A, B, "[::1]:10128", "unix:/run/gibson.sock"]


def test_a_file_that_is_replaced_is_followed(cluster: Cluster, path: Path) -> None:
    follower, told = started(cluster, source_of(path, f"{A}\n"))
    with follower:
        replace(path, f"{A} 2\n")
        assert told.change() == [(A, 2)]
        replace(path, f"{B}\n{C}\n")
        assert told.change() == [(B, 1), (C, 1)]
        assert addresses(cluster) == [B, C]


def test_a_link_that_points_elsewhere_is_followed(cluster: Cluster, tmp_path: Path) -> None:
    """As that of a ConfigMap."""
    for name, text in (("old", A), ("new", B)):
        (tmp_path / name).write_text(f"{text}\n")
    link = tmp_path / "servers"
    link.symlink_to("old")
    follower, told = started(cluster, FileSource(link, interval=FAST))
    with follower:
        (tmp_path / "next").symlink_to("new")
        os.replace(tmp_path / "next", link)
        assert told.change() == [(B, 1)]


def test_a_file_with_the_same_servers_in_another_order_changes_nothing(
    cluster: Cluster, path: Path
) -> None:
    follower, told = started(cluster, source_of(path, f"{A}\n{B}\n"))
    with follower:
        replace(path, f"{B}  # was second\n{A} 1\n")
        replace(path, f"{B}\n10.0.0.1\n")
        path.unlink()
        told.failure()
        replace(path, f"{B}\n{A}\n")
        until(lambda: not follower.is_failing)
        assert follower.changes == 1


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "the list of servers is empty"),
        ("# nothing yet\n\n", "the list of servers is empty"),
        (f"{A}\n10.0.0.2:101", "half-written"),
        (f"{A}\n{B} 2 more\n", ":2: more than an address and a weight"),
        (f"{A} many\n", ":1: the weight 'many' is no number"),
        (f"{A} -1\n", "the weight '-1'"),
        (f"{A} ٢\n", "the weight '٢'"),
        (f"{A} 0\n", "a weight must be from 1"),
        (f"{A} 4294967296\n", "a weight must be from 1"),
        ("10.0.0.1:port\n", "has a port that is not from 1 to 65535"),
        ("unix:\n", "has no path"),
        ("\0\n", "spaces or control characters"),
        (f"{A}\n10.0.0.1\n", "is there twice"),
    ],
)
def test_a_malformed_file_keeps_the_list(
    cluster: Cluster, path: Path, text: str, said: str
) -> None:
    follower, told = started(cluster, source_of(path, f"{A}\n{B}\n"))
    with follower:
        replace(path, text)
        failure = told.failure()
        assert said in failure and str(path) in failure
        assert addresses(cluster) == [A, B]
        replace(path, f"{C}\n")
        assert told.change() == [(C, 1)]


def test_a_file_that_is_no_text_is_a_failure(path: Path) -> None:
    path.write_bytes(b"\xff\n")
    with pytest.raises(SourceError, match=r"is no UTF-8"):
        FileSource(path, quiet=0).read()
    with pytest.raises(SourceError, match=r"Is a directory"):
        FileSource(path.parent).read()


def test_a_file_that_is_gone_keeps_the_list_until_it_comes_back(
    cluster: Cluster, path: Path
) -> None:
    follower, told = started(cluster, source_of(path, f"{A}\n"))
    with follower:
        path.unlink()
        assert told.failure() == f"{path}: No such file or directory"
        assert addresses(cluster) == [A]
        replace(path, f"{B}\n")
        assert told.change() == [(B, 1)]


def test_a_path_that_cannot_be_one_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="null"):
        FileSource(f"{tmp_path}/a\0b").read()


def test_a_file_that_becomes_a_pipe_is_a_failure(cluster: Cluster, path: Path) -> None:
    with follow(cluster, source_of(path, f"{A}\n")) as follower:
        path.unlink()
        os.mkfifo(path)
        until(lambda: follower.is_failing)
        assert "is no regular file" in str(follower.last_error)
        replace(path, f"{B}\n")
        until(lambda: addresses(cluster) == [B])


def test_a_file_that_is_being_written_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece is a whole list by itself, and none of them may be taken."""
    pieces = [f"{A}\n", f"{A}\n{B}\n", f"{A}\n{B}\n{C}\n"]
    contents = [_Contents(piece.encode(), 0) for piece in pieces]
    contents += [contents[-1]._replace(age=0.01), contents[-1]._replace(age=0.06)]
    source = FileSource(path, quiet=0.05)
    monkeypatch.setattr(source, "_contents", lambda: contents.pop(0))
    assert source.read() == [(A, 1), (B, 1), (C, 1)]
    assert not contents


def test_a_file_is_taken_when_it_has_been_quiet_for_long_enough(path: Path) -> None:
    path.write_text(f"{A}\n")
    assert FileSource(path, quiet=0.3).read() == [(A, 1)]
    assert time.time() - path.stat().st_mtime >= 0.3


def test_a_clock_that_is_wrong_delays_nothing(path: Path) -> None:
    path.write_text(f"{A}\n")
    future = time.time() + 1000
    os.utime(path, (future, future))
    assert FileSource(path, quiet=LONG).read() == [(A, 1)]


def test_a_file_that_is_written_all_the_time_is_a_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FileSource(path, quiet=0.01)
    monkeypatch.setattr(source, "_contents", lambda: _Contents(f"{A}\n".encode(), 0))
    with pytest.raises(SourceError, match="is being written all the time"):
        source.read()


def test_elasticache_18_all_servers_are_replaced_at_once_under_load(path: Path) -> None:
    """With real servers: all of them are replaced at once, while threads use the cluster
    (aws-elasticache-cluster-client-libmemcached 18)."""
    with Server() as one, Server() as two, Server() as three, Server() as four:
        pairs = [[f"unix:{s.unix_socket}\n" for s in pair] for pair in ((one, two), (three, four))]
        source = source_of(path, "".join(pairs[0]))
        errors: list[BaseException] = []
        over = threading.Event()

        def use(cluster: Cluster, number: int) -> None:
            try:
                while not over.is_set():
                    cluster.set(f"key:{number}", f"{number}")
                    cluster.count("key:")
            except BaseException as error:
                errors.append(error)

        with Cluster(source.read(), timeout=30_000) as cluster:
            follower, told = started(cluster, source)
            threads = [threading.Thread(target=use, args=(cluster, n)) for n in range(4)]
            for thread in threads:
                thread.start()
            with follower:
                for turn in range(1, 41):
                    replace(path, "".join(pairs[turn % 2]))
                    told.change()
            over.set()
            for thread in threads:
                thread.join()
        assert not errors and follower.failures == 0


# -- the documentation --------------------------------------------------------------------------


def test_the_example_of_the_documentation_runs(
    path: Path, unix_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path(__file__).parents[2] / "docs" / "membership.md"
    if not text.exists():
        pytest.skip("a source distribution has no docs")
    (code,) = re.findall(r"```python\n(# A file\n.*?)```", text.read_text(), re.DOTALL)
    assert "/etc/gibson/servers" in code
    replace(path, f"unix:{unix_server.unix_socket}\n")
    names: dict[str, Any] = {}
    exec(compile(code.replace("/etc/gibson/servers", str(path)), str(text), "exec"), names)
    follower: Follower = names["follower"]
    assert follower.changes >= 1 and follower.failures == 0


_: Callable[..., Follower] = follow  # its type is what the documentation says
