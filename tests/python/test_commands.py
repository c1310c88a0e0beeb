"""Each method against a real server: what it does and what it returns."""

from __future__ import annotations

import time

import pytest
from pygibson import Client, LockedError, NaNError, NotFoundError


@pytest.fixture(params=[str, str.encode], ids=["str", "bytes"])
def key(request: pytest.FixtureRequest, prefix: str) -> str | bytes:
    """A key of either kind."""
    made: str | bytes = request.param(prefix + "key")
    return made


def fill(client: Client, prefix: str, **items: str) -> None:
    for name, value in items.items():
        client.set(prefix + name, value)


def test_set_and_get(client: Client, key: str) -> None:
    assert client.set(key, "value") is None  # type: ignore[func-returns-value]
    assert client.get(key) == b"value"
    assert type(client.get(key)) is bytes


def test_set_replaces(client: Client, key: str) -> None:
    client.set(key, "value", 100)
    client.set(key, "other")
    assert client.get(key) == b"other"
    assert client.meta(key, "ttl") == -1


@pytest.mark.parametrize("ttl", [1, 32767])
def test_set_with_ttl(client: Client, key: str, ttl: int) -> None:
    client.set(key, "value", ttl=ttl)
    assert client.meta(key, "ttl") == ttl


def test_set_with_ttl_expires(client: Client, key: str) -> None:
    client.set(key, "value", 1)
    end = time.monotonic() + 30
    with pytest.raises(NotFoundError):
        while time.monotonic() < end:
            assert client.get(key) == b"value"
            time.sleep(0.05)


def test_get_of_a_missing_key(client: Client, key: str) -> None:
    with pytest.raises(NotFoundError):
        client.get(key)


def test_get_of_a_number(client: Client, key: str) -> None:
    client.set(key, "41")
    assert client.get(key) == b"41"
    client.inc(key)
    assert client.get(key) == 42
    assert type(client.get(key)) is int


def test_ttl(client: Client, key: str) -> None:
    client.set(key, "value")
    assert client.ttl(key, 100) is None  # type: ignore[func-returns-value]
    assert client.meta(key, "ttl") == 100
    with pytest.raises(NotFoundError):
        client.ttl(key + (b"2" if isinstance(key, bytes) else "2"), 100)


def test_mttl(client: Client, prefix: str) -> None:
    fill(client, prefix, a="1", b="2")
    assert client.mttl(prefix, 100) == 2
    assert client.meta(prefix + "b", "ttl") == 100
    with pytest.raises(NotFoundError):
        client.mttl(prefix + "c", 100)


def test_mset(client: Client, prefix: str) -> None:
    fill(client, prefix, a="1", b="2")
    assert client.mset(prefix, b"new") == 2
    assert client.mget(prefix) == {prefix + "a": b"new", prefix + "b": b"new"}
    with pytest.raises(NotFoundError):
        client.mset(prefix + "c", "new")


def test_mget(client: Client, prefix: str) -> None:
    fill(client, prefix, a="1", b="2")
    client.inc(prefix + "n")
    assert client.mget(prefix) == {prefix + "a": b"1", prefix + "b": b"2", prefix + "n": 1}
    with pytest.raises(NotFoundError):
        client.mget(prefix + "c")


@pytest.mark.parametrize(("limit", "count"), [(None, 5), (0, 5), (-1, 5), (3, 3), (9, 5)])
def test_mget_with_limit(client: Client, prefix: str, limit: int | None, count: int) -> None:
    fill(client, prefix, a="1", b="2", c="3", d="4", e="5")
    assert len(client.mget(prefix, limit)) == count
    assert len(client.mget(prefix=prefix, limit=limit)) == count


def test_dl(client: Client, key: str) -> None:
    client.set(key, "value")
    assert client.dl(key) is None  # type: ignore[func-returns-value]
    with pytest.raises(NotFoundError):
        client.dl(key)


def test_mdl(client: Client, prefix: str) -> None:
    fill(client, prefix, a="1", b="2")
    client.lock(prefix + "b", 60)
    assert client.mdl(prefix) == 1
    assert client.mget(prefix) == {prefix + "b": b"2"}
    with pytest.raises(NotFoundError):
        client.mdl(prefix)


def test_inc_and_dec(client: Client, key: str) -> None:
    assert client.inc(key) == 1
    assert client.inc(key) == 2
    assert client.dec(key) == 1
    assert client.dec(key) == 0
    assert client.dec(key) == -1


def test_dec_makes_a_missing_item_with_the_value_1(client: Client, key: str) -> None:
    assert client.dec(key) == 1


def test_inc_wraps_around(client: Client, key: str) -> None:
    client.set(key, str(2**63 - 1))
    assert client.inc(key) == -(2**63)
    assert client.get(key) == -(2**63)
    assert client.dec(key) == 2**63 - 1


def test_inc_and_dec_of_text(client: Client, key: str) -> None:
    client.set(key, "text")
    for change in (client.inc, client.dec):
        with pytest.raises(NaNError):
            change(key)


def test_minc_and_mdec(client: Client, prefix: str) -> None:
    fill(client, prefix, a="1", b="2", text="text")
    assert client.minc(prefix) == 2
    assert client.mget(prefix) == {prefix + "a": 2, prefix + "b": 3, prefix + "text": b"text"}
    assert client.mdec(prefix) == 2
    assert client.get(prefix + "a") == 1
    for change in (client.minc, client.mdec):
        with pytest.raises(NotFoundError):
            change(prefix + "text")


def test_lock_and_unlock(client: Client, key: str) -> None:
    client.set(key, "1")
    assert client.lock(key, 60) is None  # type: ignore[func-returns-value]
    assert client.meta(key, "lock") == 60
    for change in (
        lambda: client.set(key, "2"),
        lambda: client.dl(key),
        lambda: client.inc(key),
        lambda: client.dec(key),
        lambda: client.lock(key, 60),
    ):
        with pytest.raises(LockedError):
            change()
    assert client.get(key) == b"1"
    assert client.unlock(key) is None  # type: ignore[func-returns-value]
    assert client.inc(key) == 2


def test_lock_without_end(client: Client, key: str) -> None:
    client.set(key, "1")
    client.lock(key, -1)
    assert client.meta(key, "lock") == -1
    client.unlock(key)


def test_lock_and_unlock_of_a_missing_key(client: Client, key: str) -> None:
    with pytest.raises(NotFoundError):
        client.lock(key, 1)
    with pytest.raises(NotFoundError):
        client.unlock(key)


def test_mlock_and_munlock(client: Client, prefix: str) -> None:
    fill(client, prefix, a="1", b="2")
    client.lock(prefix + "a", 60)
    assert client.mlock(prefix, 60) == 1
    with pytest.raises(NotFoundError):
        client.mset(prefix, "3")
    assert client.munlock(prefix) == 2
    assert client.mset(prefix, "3") == 2
    with pytest.raises(NotFoundError):
        client.mlock(prefix + "c", 60)
    with pytest.raises(NotFoundError):
        client.munlock(prefix + "c")


def test_count(client: Client, prefix: str) -> None:
    assert client.count(prefix) == 0
    fill(client, prefix, a="1", b="2")
    assert client.count(prefix) == 2
    assert client.count(prefix.encode()) == 2


def test_keys(client: Client, prefix: str) -> None:
    fill(client, prefix, a="1", b="2")
    keys = client.keys(prefix)
    assert type(keys) is list
    assert sorted(keys) == [(prefix + "a").encode(), (prefix + "b").encode()]
    with pytest.raises(NotFoundError):
        client.keys(prefix + "c")


def test_meta(client: Client, key: str) -> None:
    before = int(time.time()) - 2  # the clock of the server has coarse ticks
    client.set(key, "value", 100)
    assert client.meta(key, "size") == 5
    assert client.meta(key, "encoding") == 0
    assert before <= client.meta(key, "created") <= time.time() + 2
    assert before <= client.meta(key, "access") <= time.time() + 2
    assert client.meta(key, "ttl") == 100
    assert 90 <= client.meta(key, "left") <= 100
    assert client.meta(key, "lock") == 0


def test_meta_of_a_number_and_of_a_missing_key(client: Client, key: str) -> None:
    with pytest.raises(NotFoundError):
        client.meta(key, "size")
    client.inc(key)
    assert client.meta(key, "encoding") == 2


@pytest.mark.not_for_cluster
def test_stats(client: Client) -> None:
    stats = client.stats()
    assert list(stats)[26] == "reqs_per_client_avg"  # the last that the reference server has too
    assert type(stats["server_version"]) is str
    assert type(stats["total_items"]) is int
    assert stats["total_clients"] >= 1  # type: ignore[operator]
    assert {type(value) for value in stats.values()} == {int, str}


def test_ping(client: Client) -> None:
    assert client.ping() is None  # type: ignore[func-returns-value]


@pytest.mark.not_for_cluster
def test_quit(client: Client) -> None:
    assert client.quit() is None  # type: ignore[func-returns-value]
    assert not client.connected
    client.quit()  # nothing to do


@pytest.mark.not_for_cluster
def test_many_items(client: Client, prefix: str) -> None:
    """More than fits any buffer: the reply arrives in many pieces."""
    expected = {f"{prefix}{number}": b"%d" % number * 50 for number in range(5000)}
    with client.pipeline() as batch:
        for name, value in expected.items():
            batch.set(name, value)
    assert batch.results == [None] * 5000
    assert client.mget(prefix) == expected
    assert sorted(client.keys(prefix)) == sorted(name.encode() for name in expected)
    assert client.mdl(prefix) == 5000
