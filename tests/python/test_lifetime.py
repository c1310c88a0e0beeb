"""How a Client begins and ends, and that nothing of it is left behind."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import weakref
from typing import Any, Callable
from unittest import mock

import looped
import pygibson
import pytest
from peer import LONG, Connection, Peer
from pygibson import Client, ConnectionLostError, NotFoundError, PyGibsonError, Server


def test_context_manager(unix_server: Server) -> None:
    with unix_server.client() as client:
        assert isinstance(client, Client)
        assert client.connected
    assert not client.connected


def test_context_manager_closes_after_an_exception(unix_server: Server) -> None:
    with pytest.raises(ZeroDivisionError), unix_server.client() as client:
        raise ZeroDivisionError
    assert not client.connected


def test_close(unix_client: Client) -> None:
    unix_client.close()
    unix_client.close()
    for call in (unix_client.ping, unix_client.stats, lambda: unix_client.get("key")):
        with pytest.raises(ConnectionLostError, match="the client is closed"):
            call()
    unix_client.connect()
    unix_client.ping()


def test_close_holds_with_reconnect_too(unix_server: Server) -> None:
    client = unix_server.client(reconnect=True, timeout=30_000)
    for end in (client.close, client.quit):
        end()
        with pytest.raises(ConnectionLostError, match="closed"):
            client.ping()
        client.connect()
        client.ping()


def test_the_server_sees_the_end(peer: Callable[..., Peer]) -> None:
    gone = threading.Event()

    def script(connection: Connection) -> None:
        connection.wait_for_end()
        gone.set()

    Client(unix_socket=peer(script).path)
    gc.collect()
    assert gone.wait(LONG)


@pytest.mark.parametrize("reconnect", [False, True])
def test_quit_over_a_lost_connection_makes_no_new_one(
    peer: Callable[..., Peer], reconnect: bool
) -> None:
    requests: list[tuple[int, bytes]] = []
    gone = threading.Event()

    def hang_up(connection: Connection) -> None:
        connection.end.close()
        gone.set()

    def note(connection: Connection) -> None:
        requests.append(connection.request())

    started = peer(hang_up, note)
    client = Client(unix_socket=started.path, timeout=30_000, reconnect=reconnect)
    assert gone.wait(LONG)
    try:
        client.quit()
    except ConnectionLostError:
        pass
    assert not client.connected
    with pytest.raises(ConnectionLostError, match="closed"):
        client.ping()
    assert started.connections == 1
    assert requests == []


@pytest.mark.blocking  # the other one's class here is a subclass
def test_repr(unix_server: Server) -> None:
    client = unix_server.client()
    place = f"unix:{unix_server.unix_socket}"
    assert repr(client) == f"<pygibson.Client {place}, connected>"
    client.close()
    assert repr(client) == f"<pygibson.Client {place}, closed>"


@pytest.mark.blocking  # the other one's class here is a subclass
def test_repr_of_a_broken_connection(peer: Callable[..., Peer]) -> None:
    started = peer(lambda connection: None)
    client = Client(unix_socket=started.path, timeout=30_000)
    with pytest.raises(ConnectionLostError):
        client.ping()
    assert repr(client) == f"<pygibson.Client unix:{started.path}, not connected>"


def test_attributes_are_read_only(unix_client: Client) -> None:
    for name in ("connected", "server"):
        with pytest.raises(AttributeError):
            setattr(unix_client, name, 1)


def test_subclass(unix_server: Server, prefix: str) -> None:
    class Prefixed(Client):
        def __init__(self, prefix: str, **options: Any) -> None:
            super().__init__(**options)
            self.prefix = prefix

        def get(self, key: str | bytes) -> bytes | int:
            assert isinstance(key, str)
            return super().get(self.prefix + key)

    client = Prefixed(prefix, timeout=30_000, **unix_server.address)
    client.set(prefix + "key", "value")
    assert client.get("key") == b"value"
    assert "Prefixed" in repr(client)
    assert client.pipeline().get(prefix + "key").execute() == [b"value"]
    client.myself = client  # type: ignore[attr-defined]
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None


def test_a_method_can_be_mocked(unix_client: Client, prefix: str) -> None:
    unix_client.set(prefix, "value")
    with mock.patch.object(unix_client, "get", autospec=True) as get:
        get.return_value = b"mocked"
        assert unix_client.get(prefix) == b"mocked"
    assert unix_client.get(prefix) == b"value"
    assert vars(unix_client) == {}
    with mock.patch.object(Client, "ping") as ping:
        unix_client.ping()
    ping.assert_called_once_with()


def test_attributes_of_ones_own(unix_client: Client) -> None:
    unix_client.name = "mine"  # type: ignore[attr-defined]
    assert vars(unix_client) == {"name": "mine"}
    del unix_client.name  # type: ignore[attr-defined]
    unix_client.__dict__ = {"other": 1}
    assert unix_client.other == 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        unix_client.name  # type: ignore[attr-defined]  # noqa: B018


def test_circles_through_a_client_are_collected(peer: Callable[..., Peer]) -> None:
    gone = threading.Event()

    def script(connection: Connection) -> None:
        connection.wait_for_end()
        gone.set()

    client = Client(unix_socket=peer(script).path)
    client.batch = client.pipeline().get("key")  # type: ignore[attr-defined]
    client.call = client.get  # type: ignore[attr-defined]
    dead = weakref.ref(client)
    del client
    gc.collect()
    assert dead() is None
    assert gone.wait(LONG)


def test_what_an_attribute_does_when_the_client_ends(unix_server: Server) -> None:
    class Last:
        def __init__(self, client: Client) -> None:
            self.client = weakref.ref(client)

        def __del__(self) -> None:
            seen.append(self.client())

    seen: list[object] = []
    client = unix_server.client()
    client.last = Last(client)  # type: ignore[attr-defined]
    del client
    assert seen == [None]


def test_weak_references(unix_server: Server) -> None:
    client = unix_server.client()
    gone = weakref.ref(client)
    assert gone() is client
    del client
    assert gone() is None


@pytest.mark.blocking  # the other one's Pipeline here is one around it
@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy])
def test_neither_pickled_nor_copied(unix_client: Client, copier: Callable[[Any], Any]) -> None:
    for thing in (unix_client, unix_client.pipeline()):
        with pytest.raises(TypeError):
            copier(thing)


# -- leaks -------------------------------------------------------------------------------------


def blocks_after(call: Callable[[], object], times: int) -> int:
    for _ in range(times):
        call()
    gc.collect()
    looped.forget_timers()
    return sys.getallocatedblocks()


def everything(client: Client, server: Server, prefix: str) -> None:
    """Each way through the module, those that fail too."""
    key = prefix + "ü"
    client.set(key, "value", ttl=10)
    client.set(key.encode() + b"\xff", bytearray(b"value"))
    client.mget(prefix)
    client.keys(prefix)
    client.stats()
    client.inc(prefix + "n")
    client.get(prefix + "n")
    client.get(key=key)
    assert repr(client)
    for bad in (
        lambda: client.get(prefix + "missing"),
        lambda: client.get(""),
        lambda: client.get(1),  # type: ignore[arg-type]
        lambda: client.get(nonsense=1),  # type: ignore[call-arg]
        lambda: client.get("\ud800"),
        lambda: client.set(key, memoryview(b"abcd")[::2]),
        lambda: client.set(key, bytearray(b"v"), "ttl"),  # type: ignore[arg-type]
        lambda: client.meta(key, "nonsense"),  # type: ignore[arg-type]
        lambda: Client(unix_socket="/nowhere"),
        lambda: Client("a", host="b"),
        lambda: Client(timeout=0),
        lambda: client.pipeline().get("\ud800").meta(key, "nonsense").ttl(key, 1 << 70).execute(),  # type: ignore[arg-type]
        lambda: client.pipeline().get("\ud800"),
        lambda: client.set("\ud800", bytearray(b"v"), "ttl"),  # type: ignore[arg-type]
        lambda: client.ttl(key, 10**9999),
        lambda: Client(timeout=10**9999),
        lambda: client.pipeline().set(key, 1),  # type: ignore[arg-type]
        lambda: client.pipeline(nonsense=1),  # type: ignore[call-arg]
        lambda: client.pipeline().get(prefix + "missing").get(b"a b").ping().execute(),
    ):
        try:
            bad()
        except (PyGibsonError, TypeError, ValueError, BufferError):
            pass
    with client.pipeline(raise_on_error=False) as batch:
        batch.set(key, bytearray(b"v" * 20_000)).get(key).mget(prefix).get("").get(prefix + "gone")
        batch.set(prefix + "\udc80", "ü\udc80")
    client.pipeline().get(key)  # never run
    with server.client(timeout=30_000) as other:
        other.close()
        try:
            other.pipeline().ping().execute()
        except ConnectionLostError:
            pass
    client.mdl(prefix)


def test_nothing_leaks_blocks_of_python(
    unix_client: Client, unix_server: Server, prefix: str
) -> None:
    blocks_after(lambda: everything(unix_client, unix_server, prefix), 20)
    for _ in range(4):  # what Python keeps for later use grows, but not for ever
        before = sys.getallocatedblocks()
        after = blocks_after(lambda: everything(unix_client, unix_server, prefix), 120)
        if after - before < 60:
            return
    raise AssertionError(f"{after - before} blocks in 120 rounds")


def test_nothing_leaks_references(unix_client: Client, unix_server: Server, prefix: str) -> None:
    key, value = prefix + "key", b"value" * 1000
    everything(unix_client, unix_server, prefix)
    before = [sys.getrefcount(thing) for thing in (None, key, value, unix_client, NotFoundError)]
    for _ in range(100):
        unix_client.set(key, value)
        unix_client.pipeline().set(key, value).get(key).execute()
        unix_client.pipeline(raise_on_error=False).get(key + "2").execute()
        everything(unix_client, unix_server, prefix)
    gc.collect()
    after = [sys.getrefcount(thing) for thing in (None, key, value, unix_client, NotFoundError)]
    assert all(now - then < 50 for then, now in zip(before, after)), (before, after)


def resident_kb() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.skipif(
    "libasan" in os.environ.get("LD_PRELOAD", ""), reason="ASan keeps what is freed"
)
def test_nothing_leaks_memory_of_c(unix_client: Client, unix_server: Server, prefix: str) -> None:
    """200 KB would be lost in each round if large replies were not freed."""

    def round_trip() -> None:
        unix_client.set(prefix, b"v" * 200_000)
        unix_client.mget(prefix)
        unix_client.pipeline().get(prefix).mget(prefix).execute()

    for _ in range(50):
        round_trip()
    before = resident_kb()
    for _ in range(300):
        round_trip()
    assert resident_kb() - before < 20_000


def test_descriptors_are_given_back(unix_server: Server) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        unix_server.client()
        with pytest.raises(PyGibsonError):
            Client(unix_socket="/nowhere")
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_mget_allocates_no_more_than_three_blocks_an_item(unix_client: Client, prefix: str) -> None:
    count = 10_000
    batch = unix_client.pipeline()
    for number in range(count):
        batch.set(f"{prefix}{number}", "v" * 100)
    batch.execute()
    before = sys.getallocatedblocks()
    items = unix_client.mget(prefix)
    assert sys.getallocatedblocks() - before <= 3 * count
    assert len(items) == count


# -- interpreters ------------------------------------------------------------------------------


def run_python(code: str, *arguments: str) -> str:
    """Run a program in an interpreter of its own, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-c",
         textwrap.dedent(code), *arguments],
        capture_output=True, text=True, timeout=2 * LONG,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_interpreter_ends_with_clients_in_use(unix_server: Server) -> None:
    assert unix_server.unix_socket is not None
    assert (
        run_python(
            """
            import sys, threading
            from pygibson import Client
            client = Client(unix_socket=sys.argv[1], timeout=30_000)
            kept = client.pipeline().get("key")
            def use():
                while True:
                    client.count("key")
            for _ in range(3):
                threading.Thread(target=use, daemon=True).start()
            client.set("key", "value")
            print("end")
            """,
            unix_server.unix_socket,
        )
        == "end\n"
    )


# Objects that the interpreter takes down last, when the module is gone.
LATE = """
import builtins, logging, sys, traceback
import pygibson

class Late:
    def __init__(self, *calls):
        self.calls, self.me = calls, self
    def __del__(self):
        for call in self.calls:
            try:
                call()
            except BaseException as error:
                pass

def keep(*things):
    logging.kept = builtins.kept = things
"""


def test_the_interpreter_ends_with_a_client_that_a_module_keeps(unix_server: Server) -> None:
    assert unix_server.unix_socket is not None
    code = LATE + textwrap.dedent(
        """
        client = pygibson.Client(unix_socket=sys.argv[1])
        client.set("key", "value")
        batch = client.pipeline()
        keep(Late(lambda: client.get("key"), lambda: batch.get("key"), batch.execute,
                  client.pipeline, client.close, lambda: client.get("key"),
                  lambda: pygibson.Client(unix_socket=sys.argv[1]).get("key")))
        client.get("key")
        print("end")
        """
    )
    assert run_python(code, unix_server.unix_socket) == "end\n"


@pytest.mark.parametrize("kept", ["loop", "task", "late"])
def test_the_interpreter_ends_with_a_client_of_asyncio_that_a_module_keeps(
    unix_server: Server, kept: str
) -> None:
    """Its module had been taken down, and what it called to find the running loop was NULL."""
    assert unix_server.unix_socket is not None
    code = LATE + textwrap.dedent(
        """
        import asyncio
        from pygibson.aio import Client
        loop = asyncio.new_event_loop()
        async def use():
            client = Client(unix_socket=sys.argv[1])
            await client.ping()
            loop.client = client
            if sys.argv[2] == "task":
                loop.task = loop.create_task(client.get("key"))
            if sys.argv[2] == "late":
                batch = client.pipeline()
                loop.late = Late(client.ping, lambda: batch.get("key"), batch.execute,
                                 client.pipeline, client.close, client.connect,
                                 lambda: Client(unix_socket=sys.argv[1]).ping())
        loop.run_until_complete(use())
        logging.kept = loop
        print("end")
        """
    )
    assert run_python(code, unix_server.unix_socket, kept) == "end\n"


def test_import_again(unix_server: Server) -> None:
    """A second copy of the module has exceptions and types of its own."""
    assert unix_server.unix_socket is not None
    run_python(
        """
        import sys, gc
        def load():
            for name in [n for n in sys.modules if n.startswith("pygibson")]:
                del sys.modules[name]
            import pygibson
            return pygibson
        first, second = load(), load()
        assert first.NotFoundError is not second.NotFoundError
        for module in (first, second):
            client = module.Client(unix_socket=sys.argv[1], timeout=30_000)
            try:
                client.get("missing.key")
            except module.NotFoundError:
                pass
        for _ in range(20):
            load()
        gc.collect()
        """,
        unix_server.unix_socket,
    )


def test_sub_interpreters(unix_server: Server, prefix: str) -> None:
    """Each has its own module, all work at once, and their ends leave the others alone."""
    assert unix_server.unix_socket is not None
    run_python(
        """
        import sys, threading
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import pygibson
        code = f'''if True:
            import sys
            sys.path[:] = {sys.path!r}
            import pygibson
            client = pygibson.Client(unix_socket={sys.argv[1]!r}, timeout=30_000)
            for number in range(200):
                client.set({sys.argv[2]!r} + "NAME", str(number))
                assert client.get({sys.argv[2]!r} + "NAME") == b"%d" % number
            try:
                client.get("missing.key")
            except pygibson.NotFoundError as error:
                assert type(error) is pygibson.NotFoundError
            assert client.pipeline().ping().execute() == [None]
        '''
        failed = []
        def run(name):
            try:
                interpreter = interpreters.create()
                failure = interpreters.run_string(interpreter, code.replace("NAME", name))
                interpreters.destroy(interpreter)
                if failure is not None:
                    failed.append(failure)
            except BaseException as error:
                failed.append(error)
        threads = [threading.Thread(target=run, args=(str(n),)) for n in range(4)]
        # Before 3.13, CPython itself crashes now and then where interpreters come and go at once.
        at_once = sys.version_info >= (3, 13)
        for thread in threads:
            thread.start()
            if not at_once:
                thread.join()
        for thread in threads:
            thread.join()
        assert not failed, failed
        client = pygibson.Client(unix_socket=sys.argv[1], timeout=30_000)
        assert client.count(sys.argv[2]) == 4
        """,
        unix_server.unix_socket,
        prefix,
    )


def test_no_mutable_globals() -> None:
    """All data of the module that can be written stands in tables that Python fills in."""
    objdump = shutil.which("objdump")
    if objdump is None:
        pytest.skip("no objdump")
    listed = subprocess.run(
        [objdump, "--syms", pygibson._pygibson.__file__], capture_output=True, text=True, check=True
    )
    rows = re.findall(r"^\w+ .{7} (\S+)\s+\w+\s+(?:\.hidden )?(\S+)$", listed.stdout, re.MULTILINE)
    if not any(section == ".text" for section, _ in rows):
        pytest.skip("the module is stripped")
    ours = {
        name.split(".")[0]
        for section, name in rows
        if section in (".data", ".bss") and name[0] not in "_." and "completed" not in name
    }
    tables = ("_methods", "_attributes", "_members", "_slots", "_spec", "_module", "_def")
    # What a process has one of: libgibson counts forks, and turn.c threads.
    of_process = {"generation", "watched", "turn_last_thread", "turn_survivor"}
    assert {name for name in ours if not name.endswith(tables)} <= of_process
    assert any(name.endswith("_methods") for name in ours)
