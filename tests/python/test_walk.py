"""A random walk over all methods of Client and Pipeline, in every order, with valid arguments and
with those that are refused, while pipelines are open or nested, and over closing, connecting,
quitting and lost connections: against an exact model, with a server alone, and with a peer between
that notes every byte. So no answer is wrong, nothing is sent twice, and nothing that was refused.

    GIBSON_TEST_SEED=n     begins with this seed, which a failure has printed
    GIBSON_TEST_COUNT=n    runs so many walks (one, to replay a failure)
    GIBSON_TEST_SECONDS=n  runs walks for so long; by default 3 seconds with and 3 without the peer

The seed decides about all but what time does, so a replay fails at the same step.
"""

from __future__ import annotations

import os
import time
from typing import Callable

import pytest
from calls import OPCODES
from pygibson import Client, NotFoundError, Pipeline, Server
from recorder import Recorder
from space import COMMANDS
from walk import SPACE, Walk

STEPS = 400


def run_walk(seed: int, server: Server, recorder: Recorder | None) -> str | None:
    """Returns what was wrong, with the last events."""
    walk = Walk(seed, server, recorder)
    try:
        walk.run(STEPS)
    except Exception as error:
        return "\n".join([*walk.history, f"{type(error).__name__}: {error}"])
    return None


def empty(server: Server) -> None:
    with server.client(timeout=30_000) as client:
        for call in (client.munlock, client.mdl):
            try:
                call(SPACE)
            except NotFoundError:
                pass


@pytest.mark.parametrize("recorded", [False, True], ids=["server", "recorder"])
def test_every_answer_and_every_byte_is_right(
    recorded: bool,
    unix_server: Server,
    short_path: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("GIBSON_TEST_SEED") or time.time_ns() % (1 << 32))
    count = int(os.environ.get("GIBSON_TEST_COUNT") or 0)
    begin = time.monotonic()
    end = begin + float(os.environ.get("GIBSON_TEST_SECONDS") or 3)
    walks = 0
    while walks < count if count else time.monotonic() < end:
        empty(unix_server)
        recorder = Recorder(short_path(), unix_server) if recorded else None
        failure = run_walk(seed, unix_server, recorder)
        walks += 1
        if failure is not None:
            print(failure)
            pytest.fail(
                f"walk {walks}, after {time.monotonic() - begin:.2f} s: "
                f"{failure.splitlines()[-1]}; replay: GIBSON_TEST_SEED={seed} GIBSON_TEST_COUNT=1"
            )
        seed = seed * 6364136223846793005 % (1 << 32) + 1
    with capsys.disabled():
        print(f"\nwalk: {walks} walks of {STEPS} steps, next seed {seed}")


def test_the_calls_of_the_walk_are_those_of_the_client() -> None:
    assert set(OPCODES) == set(COMMANDS)
    assert set(OPCODES) <= set(dir(Client))
    assert set(OPCODES) - {"quit"} <= set(dir(Pipeline))
