"""A Server or Proxy, and its directory, end with the process that started it, however that ends."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peer import LONG
from pygibson import Proxy, Server

START = """
import os, signal, sys, threading, time
from pygibson import Proxy, Server

# Of who runs in the background these may be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

def tell(*started):
    for each in started:
        print(each.directory, each.process.pid if each.process else 0, flush=True)

"""


@contextlib.contextmanager
def owner(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program that starts servers. Its output ends when they have ended: they inherit it."""
    process = subprocess.Popen(
        [sys.executable, "-c", START + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[bytes]) -> list[tuple[str, int]]:
    """What the program has started: directories, and ids of processes."""
    assert process.stdout is not None
    found = []
    while (line := process.stdout.readline()) != b"end\n":
        assert line, "the program ended"
        directory, pid = line.decode().split()
        assert os.path.isdir(directory)
        found.append((directory, int(pid)))
    return found


def wait_for_end(process: subprocess.Popen[bytes]) -> None:
    """Wait until no process has the program's output."""
    assert process.stdout is not None
    end = time.monotonic() + LONG
    while True:
        left = max(0, end - time.monotonic())
        assert select.select([process.stdout], [], [], left)[0], "a process is left"
        if not os.read(process.stdout.fileno(), 4096):
            return


def runs(pid: int) -> bool:
    """Tells whether there is such a process which is no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(started: list[tuple[str, int]]) -> None:
    end = time.monotonic() + LONG
    for directory, pid in started:
        while os.path.exists(directory) or (pid and runs(pid)):
            assert time.monotonic() < end, f"{directory} or {pid} is left"
            time.sleep(0.01)


BOTH = "server = Server()\nserver.start()\nproxy = Proxy(server, port=0)\nproxy.start()\n"
TELL = "tell(server, proxy)\nprint('end', flush=True)\n"
WAIT = "sys.stdin.read()\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_they_end_when_the_owner_is_killed(number: signal.Signals) -> None:
    with owner(BOTH + TELL + WAIT) as process:
        started = told(process)
        assert len(started) == 2
        assert all(runs(pid) for _, pid in started)
        process.send_signal(number)
        wait_for_end(process)
        wait_until_gone(started)


def test_they_end_when_the_group_of_the_owner_is_killed() -> None:
    with owner(BOTH + TELL + WAIT) as process:
        started = told(process)
        os.killpg(process.pid, signal.SIGKILL)
        wait_until_gone(started)


@pytest.mark.parametrize("end", ["os._exit(1)", "os.execv('/bin/true', ['true'])", "os.abort()"])
def test_they_end_when_python_does_not_clean_up(end: str) -> None:
    with owner(BOTH + TELL + WAIT + end) as process:
        started = told(process)
        assert process.stdin is not None
        process.stdin.close()
        wait_for_end(process)
        wait_until_gone(started)


def test_they_end_when_a_child_of_the_owner_lives_on() -> None:
    code = """
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(600)
print(child, flush=True)
"""
    with owner(BOTH + code + TELL + WAIT) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            started = told(process)
            process.kill()
            wait_until_gone(started)
            assert runs(child)
        finally:
            os.kill(child, signal.SIGKILL)


def test_they_live_on_when_the_thread_that_started_them_ends() -> None:
    code = """
def start():
    global server, proxy
    server = Server()
    server.start()
    proxy = Proxy(server)
    proxy.start()

others = [threading.Thread(target=time.sleep, args=(600,), daemon=True) for _ in range(20)]
for other in others:
    other.start()
thread = threading.Thread(target=start)
thread.start()
thread.join()
proxy.client(timeout=10_000).ping()
"""
    with owner(code + TELL + WAIT) as process:
        started = told(process)
        assert all(runs(pid) for _, pid in started)
        process.kill()
        wait_until_gone(started)


def test_one_that_was_not_started_leaves_no_directory() -> None:
    code = "server = Server()\nproxy = Proxy(server)\n"
    with owner(code + TELL + WAIT) as process:
        started = told(process)
        process.kill()
        wait_until_gone(started)


def test_one_that_does_not_end_by_itself_is_killed() -> None:
    code = "server = Server()\nserver.start()\nos.kill(server.process.pid, signal.SIGSTOP)\n"
    with owner(code + "tell(server)\nprint('end', flush=True)\n" + WAIT) as process:
        started = told(process)
        process.kill()
        wait_until_gone(started)


def test_the_owner_may_be_killed_at_any_time(tmp_path: Path) -> None:
    """Also while it starts them."""
    chance = random.Random()
    for _ in range(20):
        code = f"import tempfile\ntempfile.tempdir = {str(tmp_path)!r}\nprint(flush=True)\n" + BOTH
        with owner(code + WAIT) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
            wait_for_end(process)
        end = time.monotonic() + LONG
        while list(tmp_path.iterdir()):
            assert time.monotonic() < end, list(tmp_path.iterdir())
            time.sleep(0.01)


def test_a_server_of_ones_own_is_ended_and_its_socket_removed(tmp_path: Path) -> None:
    path = f"/tmp/gibson-guard-{os.getpid()}.sock"
    code = f"server = Server(unix_socket={path!r})\nserver.start()\n"
    with owner(code + "tell(server)\nprint('end', flush=True)\n" + WAIT) as process:
        started = told(process)
        assert os.path.exists(path)
        process.kill()
        wait_until_gone(started)
    assert not os.path.exists(path)


def test_nothing_is_left_in_the_owner() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    others = children.read_text() if children.exists() else ""
    for _ in range(3):
        with Server() as server, Proxy(server) as proxy:
            proxy.client(timeout=30_000).ping()
        directories = server.directory, proxy.directory
        del server, proxy
        assert not any(os.path.exists(directory) for directory in directories)
    assert sorted(os.listdir("/proc/self/fd")) == before
    if children.exists():
        assert children.read_text() == others
