"""The Server, and the fixtures that pytest finds by itself."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from pygibson import Client, NotFoundError, Proxy, PyGibsonError, Server
from pygibson.server import find_server

pytest_plugins = ["pytester"]


def test_unix_socket_by_default() -> None:
    with Server() as server:
        path = server.unix_socket
        assert path is not None
        assert server.port is None
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        assert server.address == {"unix_socket": path}
        assert repr(server) == f"<pygibson.Server unix:{path}, running>"
        with server.client(timeout=30_000) as client:
            client.ping()
    assert not os.path.exists(path)
    assert "not running" in repr(server)


def test_a_unix_socket_of_ones_own(short_path: Callable[[], str]) -> None:
    path = Path(short_path())
    with Server(unix_socket=path) as server:
        Client(unix_socket=path).close()
        assert server.unix_socket == str(path)


def test_a_free_port() -> None:
    with Server(port=0) as first, Server(port=0) as second:
        assert first.unix_socket is None
        assert first.port != second.port
        assert first.port is not None
        assert first.port > 0
        assert first.address == {"addr": "127.0.0.1", "port": first.port}
        first.client(timeout=30_000).ping()


def test_it_can_be_started_again_on_the_same_port() -> None:
    server = Server(port=0)
    assert server.stop() is None
    server.start()
    port = server.port
    with pytest.raises(RuntimeError, match="runs already"):
        server.start()
    assert server.stop() == 0
    with server:
        assert server.port == port
        client = server.client(timeout=30_000)
        with pytest.raises(NotFoundError):
            client.get("key")


def test_directives() -> None:
    with Server(max_key_size="100", compat=False) as server:
        with server.client(timeout=30_000) as client, pytest.raises(PyGibsonError):
            client.set("k" * 200, "value")
        assert "listening" in server.log


def test_what_it_does_not_take() -> None:
    with pytest.raises(TypeError, match="not both"):
        Server(unix_socket="/tmp/x", port=0)
    with pytest.raises(TypeError, match="logfile"):
        Server(logfile="/dev/null")


def test_it_says_why_it_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(PyGibsonError, match="max_memory"):
        Server(max_memory="nonsense").start()
    with Server(port=0) as first, pytest.raises(PyGibsonError, match=r"ended with \d+.*in use"):
        Server(port=first.port).start()
    with pytest.raises(PyGibsonError, match="loglevel"):
        Server(port=0, loglevel=3).start()
    with pytest.raises(FileNotFoundError):
        Server(executable=tmp_path / "none").start()
    with pytest.raises(PyGibsonError, match="did not start within"):
        sleeper = tmp_path / "sleeper"
        sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
        sleeper.chmod(0o755)
        Server(executable=sleeper, start_timeout=0.2).start()


def test_a_server_without_its_library_says_which_package_to_install(tmp_path: Path) -> None:
    program = Path(find_server()).read_bytes()
    if b"liblzf.so.1\0" not in program:
        pytest.skip("the server has liblzf inside")
    lacking = tmp_path / "gibson-server"
    lacking.write_bytes(program.replace(b"liblzf.so.1\0", b"liblzf.so.0\0"))
    lacking.chmod(0o755)
    with pytest.raises(PyGibsonError, match=r"needs the library liblzf.so.0.* package liblzf1 "):
        Server(executable=lacking).start()


def test_of_another_library_it_says_the_name(tmp_path: Path) -> None:
    program = tmp_path / "program"
    said = "error while loading shared libraries: libx.so.3: cannot open shared object file"
    program.write_text(f"#!/bin/sh\necho 'program: {said}: No such file' >&2\nexit 127\n")
    program.chmod(0o755)
    for process in (Server(executable=program), Proxy("unix:/tmp/x", executable=program)):
        with pytest.raises(PyGibsonError, match=r"needs the library libx.so.3, .*not have$"):
            process.start()


def test_a_server_that_was_killed() -> None:
    server = Server()
    server.start()
    assert server.process is not None
    server.process.kill()
    assert server.stop() == -signal.SIGKILL


def test_finding_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = find_server()
    assert os.access(found, os.X_OK)
    monkeypatch.setenv("GIBSON_SERVER", "/some/where")
    assert find_server() == "/some/where"
    monkeypatch.delenv("GIBSON_SERVER")
    monkeypatch.setattr("pygibson._process._BUNDLED", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="GIBSON_SERVER"):
        find_server()
    (tmp_path / "gibson-server").symlink_to(found)
    assert find_server() == str(tmp_path / "gibson-server")


def test_it_ends_with_the_program() -> None:
    code = (
        "from pygibson import Server\n"
        "server = Server()\nserver.start()\nprint(server.process.pid, server.unix_socket)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pid, path = done.stdout.split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert not os.path.exists(os.path.dirname(path))


def test_a_child_of_fork_does_not_end_it() -> None:
    with Server() as server:
        child = os.fork()
        if child == 0:
            server.stop()
            os._exit(0)
        os.waitpid(child, 0)
        server.client(timeout=30_000).ping()


def test_a_long_temporary_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import tempfile

    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with Server() as server:
        server.client(timeout=30_000).ping()


def test_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_client(gibson_client):
            gibson_client.set("key", "value")
            assert gibson_client.get("key") == b"value"

        def test_server(gibson_server):
            assert gibson_server.client(timeout=10_000).count("k") == 0
        """
    )
    plugins = ["-p", "pygibson.pytest_plugin"] if not plugin_is_installed() else []
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *plugins)
    result.assert_outcomes(passed=2)


def plugin_is_installed() -> bool:
    from importlib import metadata

    try:
        entries = metadata.distribution("pygibson").entry_points
    except metadata.PackageNotFoundError:
        return False
    return any(entry.group == "pytest11" for entry in entries)


def processes_of(directory: str) -> list[bytes]:
    """Return the command lines that name a directory, but for those of its guard."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue  # it has ended
        if directory.encode() in line and b"gibson-guard" not in line:
            found.append(line)
    return found


def test_a_start_that_is_interrupted_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by Ctrl-C when the process runs and nobody has noted it yet."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    server = Server()
    with monkeypatch.context() as patch:
        patch.setattr(Server, "_watch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            server.start()
    assert processes_of(server.directory) == []
    assert not Path(server.directory).exists()
    with pytest.raises(RuntimeError, match="interrupted: make another Server"):
        server.start()
