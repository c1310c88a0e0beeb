"""What the package consists of."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pygibson
import pytest
from pygibson import Client, Pipeline, _pygibson

PACKAGE = Path(pygibson.__file__).parent


def test_all_names_are_there() -> None:
    assert sorted(pygibson.__all__) == sorted(set(pygibson.__all__))
    for name in pygibson.__all__:
        assert getattr(pygibson, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = pygibson.nonsense


def test_importing_all_leaves_the_names_of_the_module_alone() -> None:
    names = {"__version__": "of the caller", "__name__": "caller"}
    exec("from pygibson import *", names)
    assert names["__version__"] == "of the caller"
    assert names["Client"] is Client  # type: ignore[comparison-overlap]
    assert not [name for name in pygibson.__all__ if name.startswith("_")]


def test_versions() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", pygibson.__version__)
    assert re.fullmatch(r"\d+\.\d+\.\d+", pygibson.libgibson_version)


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib import metadata

    try:
        installed = metadata.version("pygibson")
    except metadata.PackageNotFoundError:
        pytest.skip("pygibson is not installed, only importable")
    assert installed == pygibson.__version__


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert (PACKAGE / "_pygibson.pyi").exists()


@pytest.mark.parametrize("kind", [Client, Pipeline])
def test_everything_has_a_docstring(kind: type) -> None:
    assert inspect.getdoc(kind)
    for name, thing in vars(kind).items():
        if not name.startswith("_") or name in ("__enter__", "__exit__"):
            assert thing.__doc__, name


@pytest.mark.parametrize("name", [name for name in pygibson.__all__ if name[0].isupper()])
def test_names_tell_their_public_module(name: str) -> None:
    thing = getattr(pygibson, name)
    assert thing.__module__ in ("pygibson", "pygibson.proxy", "pygibson.server")
    assert thing.__doc__


@pytest.mark.parametrize("name", [name for name in vars(Client) if not name.startswith("_")])
def test_docstrings_tell_what_is_returned(name: str) -> None:
    method = getattr(Client, name)
    if callable(method) and name not in ("close", "connect", "pipeline"):
        assert "Returns" in method.__doc__
        for parameter in list(inspect.signature(method).parameters)[1:]:
            assert f"    {parameter} (" in method.__doc__


def test_only_the_function_that_python_calls_is_exported() -> None:
    nm = subprocess.run(
        ["nm", "--dynamic", "--defined-only", _pygibson.__file__], capture_output=True, text=True
    )
    if nm.returncode != 0:
        pytest.skip("no nm")
    exported = [line.split()[-1] for line in nm.stdout.splitlines()]
    assert exported == ["PyInit__pygibson"]


def test_the_programs_bring_liblzf_along() -> None:
    """On the machine where a wheel is installed there may be none."""
    programs = list((PACKAGE / "bin").glob("gibson-*"))
    if not programs:
        pytest.skip("the package comes without programs")
    for program in (*programs, Path(_pygibson.__file__)):
        done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            if "liblzf" in line:
                assert Path(line.split()[2]).parent == program.parent, line


EXAMPLES = Path(__file__).parents[2] / "python" / "examples"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("seed", "b'some_value'\nYay, no such key!\n"),
        (
            "subtree",
            "[('mail', 'ada@example.org'), ('name', 'Ada'), ('visits', '1')]\n"
            "deleted: 3\n{} {'name': 'Charles'}\n",
        ),
        (
            "tasks",
            "[None, None, None]\n['Page 2', 'Page 0', 'untitled']\n"
            "{'visits:0': 500, 'visits:1': 500}\nTrue b'Page 2'\n",
        ),
    ],
)
def test_examples(name: str, expected: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
