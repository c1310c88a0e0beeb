"""Random commands over clients that threads share, with random faults and interruptions on the way,
against a model: every answer is the right one, or an exception.

    GIBSON_TEST_SEED=n     begins with this seed, which a failure has printed
    GIBSON_TEST_COUNT=n    runs so many rounds (one, to replay a failure)
    GIBSON_TEST_SECONDS=n  runs rounds for so long; by default 5 seconds
"""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
from types import FrameType
from typing import Any, Callable

import pytest
from calls import MAX_SECONDS, Call, Limits, refused_call
from pygibson import (
    Client,
    ConnectionLostError,
    InvalidArgumentError,
    LockedError,
    NaNError,
    NotFoundError,
    Pipeline,
    ProtocolError,
    Proxy,
    PyGibsonError,
    Server,
    ServerTimeoutError,
    UnreachableError,
)
from space import (
    BARE,
    COMMANDS,
    KEYED,
    KEYS,
    PREFIXES,
    READS,
    REPEATABLE,
    Failure,
    Request,
    TooManyWorlds,
    Worlds,
)

STEPS = 60
CONNECTIONS = 150  # that faults are planned for
PATIENT = 20_000  # milliseconds
LIMITS = Limits(200, 20_000)  # of all clients, so that arguments can be past them
SLACK = 3.0  # seconds that a call may be late on a busy machine
ENOUGH_WORLDS = 150

ANSWERS = (NotFoundError, LockedError, NaNError)
ERRORS = (ServerTimeoutError, ConnectionLostError, UnreachableError, ProtocolError)


class Interruption(BaseException):
    """Raised by a signal handler in the middle of a call."""


class Violation(Exception):
    pass


def plan_faults(chance: random.Random) -> list[str]:
    """Faults for connections by number. Corrupted bytes are those that must show, in the first
    frame of a connection: where a value can be hit, no client could tell."""
    faults = []
    for connection in range(1, CONNECTIONS):
        for _ in range(chance.randrange(4)):
            at = chance.randrange(chance.choice((40, 400, 4000)))
            milliseconds = chance.randrange(1, 80)
            fault = chance.choice(
                (
                    f"delay@{at}={milliseconds}",
                    f"dribble@{at}={chance.randrange(3)}",
                    f"hold@{at}",
                    f"hold@{at}={milliseconds}",
                    f"blackhole@{at}",
                    f"cut@{at}",
                    f"reset@{at}",
                    f"half-close@{at}",
                )
            )
            faults.append(f"{connection}/{chance.choice(('reply', 'reply', 'request'))}:{fault}")
        if chance.random() < 0.1:
            visible = ("reply:corrupt@1=1", "reply:corrupt@6=128", "request:corrupt@5")
            faults.append(f"{connection}/{chance.choice(visible)}")
    return faults


class Interrupter:
    """Interrupts calls of the main thread by a signal whose handler raises, at random times."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.armed = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        if self.armed:
            self.armed = False
            raise Interruption

    def __enter__(self) -> Interrupter:
        self.before = signal.signal(signal.SIGALRM, self.handle)
        return self

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)

    def call(self, function: Callable[[], Any]) -> Any:
        if self.chance.random() < 0.8:
            return function()
        signal.setitimer(signal.ITIMER_REAL, self.chance.uniform(0.00001, 0.02))
        self.armed = True
        try:
            return function()
        finally:
            self.armed = False


class Gate:
    """A proxy that threads share: it answers one command at a time."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.lock = threading.Lock()

    def release(self) -> None:
        with self.lock:
            self.proxy.release()

    def drop(self) -> None:
        with self.lock:
            self.proxy.drop()


class Worker:
    """One thread: the keys it has for itself, and what it knows of them."""

    def __init__(
        self, index: int, seed: int, shared: list[tuple[Client, bool]], gate: Gate, server: Server
    ) -> None:
        self.space = f"t{index}"
        self.chance = random.Random(seed)
        self.shared = shared
        self.gate = gate
        self.direct = server.client(timeout=PATIENT)
        self.worlds = Worlds(self.space)
        self.writes = 0
        self.asked = 0
        self.errors = 0
        self.refused = 0
        self.history: list[str] = []
        self.failure: BaseException | None = None
        self.call: Callable[[Callable[[], Any]], Any] = lambda function: function()

    def run(self) -> None:
        try:
            for _ in range(STEPS):
                self.step()
            self.settle()
        except BaseException as error:
            self.failure = error
        finally:
            self.direct.close()

    def request(self) -> Request:
        chance = self.chance
        command = chance.choice((*COMMANDS[:-1], "get", "get", "set", "set", "munlock", "unlock"))
        if command in BARE:
            return Request(command)
        name = chance.choice(KEYS if command in KEYED else PREFIXES)
        seconds = chance.choice((0, 5000, 5000 + chance.randrange(20000)))
        arguments: tuple[Any, ...] = ()
        if command == "set":
            arguments = (self.value(), seconds)
        elif command == "mset":
            arguments = (self.value(),)
        elif command in ("ttl", "mttl"):
            arguments = (seconds,)
        elif command in ("lock", "mlock"):
            arguments = (chance.choice((-1, seconds)),)
        elif command == "meta":
            arguments = (chance.choice(("size", "encoding", "ttl", "lock")),)
        elif command == "mget":
            arguments = (chance.choice((None, 0, 1, 3)),)
        return Request(command, name, arguments)

    def value(self) -> bytes:
        """A value that names its thread and which write it is, or a number."""
        if self.chance.random() < 0.3:
            return str(self.chance.randrange(-50000, 50000)).encode()
        self.writes += 1
        size = self.chance.choice((0, 0, 0, 100, 9000))
        return f"{self.space}#{self.writes}.".encode() + bytes(
            65 + (self.writes + i) % 61 for i in range(size)
        )

    def step(self) -> None:
        client, repeats = self.chance.choice(self.shared)
        dice = self.chance.random()
        if dice < 0.1:
            self.gate.release()
        elif dice < 0.13 or (dice < 0.6 and not client.connected):
            self.renew(client)
        elif dice < 0.3:
            self.run_pipeline(client)
        elif dice < 0.38:
            self.run_refused(client)
        else:
            self.run_single(client, repeats)
        if self.worlds.may_become() > ENOUGH_WORLDS or self.chance.random() < 0.02:
            self.settle()

    def renew(self, client: Client) -> None:
        """Closes and connects: a client that was closed does not reconnect by itself."""
        try:
            if self.chance.random() < 0.5:
                client.close()
            client.connect()
        except ERRORS:
            pass

    def timed(self, client: Client, function: Callable[[], Any], operations: int) -> Any:
        """Waiting for one's turn, connecting and repeating are within the deadline, or bounded by
        one of their own."""
        begin = time.monotonic()
        try:
            return self.call(function)
        finally:
            late = time.monotonic() - begin - operations * ((client.timeout or 0) / 1000 + 0.3)
            if late > SLACK:
                raise Violation(f"a call took {late:.1f} s more than its deadline")

    def run_single(self, client: Client, repeats: bool) -> None:
        request = self.request()
        if self.chance.random() < 0.02:
            request = Request("quit")
        try:
            got = self.timed(client, lambda: request.call(client, self.space), 2)
        except ANSWERS as error:
            got = Failure(type(error).__name__)
        except (*ERRORS, Interruption) as error:
            self.lose([request], error)
            if repeats and request.command in REPEATABLE:
                self.worlds.lose([request])
            return
        if repeats and request.command in REPEATABLE:
            self.worlds.lose([request])  # over a connection that was lost before
        self.judge(request, got)

    def run_refused(self, client: Client) -> None:
        """It is refused with or without a connection, and changes nothing."""
        call = self.refused_call()
        try:
            self.timed(client, lambda: call.of(client), 2)
        except (PyGibsonError, TypeError, ValueError, BufferError) as error:
            self.judge_refusal(call, error)
        except Interruption:
            return
        else:
            raise Violation(f"{call} was not refused")

    def refused_call(self) -> Call:
        return refused_call(self.chance, LIMITS, self.space)

    def judge_refusal(self, call: Call, error: BaseException) -> None:
        self.refused += 1
        kinds = (call.at_once,) if call.at_once else (InvalidArgumentError, *ERRORS)
        if not isinstance(error, kinds):
            raise Violation(f"{call} was refused by {error!r}")

    def add_refused(self, batch: Pipeline) -> bool:
        """Tells whether a refused call became a part of the batch."""
        call = self.refused_call()
        try:
            call.of(batch)
        except (PyGibsonError, TypeError, ValueError, BufferError) as error:
            self.judge_refusal(call, error)
            return False
        return True

    def run_pipeline(self, client: Client) -> None:
        planned = [self.request() for _ in range(self.chance.randrange(1, 12))]
        batch = client.pipeline(raise_on_error=False)
        there: list[bool] = []  # or refused
        for request in planned:
            if self.chance.random() < 0.15 and self.add_refused(batch):
                there.append(False)
            request.call(batch, self.space)
            there.append(True)
        requests = iter(planned)
        self.judge_pipeline(client, batch, [next(requests) if it else None for it in there])

    def judge_pipeline(
        self, client: Client, batch: Pipeline, all_requests: list[Request | None]
    ) -> None:
        requests = [request for request in all_requests if request is not None]
        try:
            answers = self.timed(client, batch.execute, len(requests) + 1)
        except (*ERRORS, Interruption) as error:
            answers = batch.results
            if answers is None:  # it got nowhere, or was interrupted
                self.lose(requests, error)
                return
        results = []
        for request, got in zip(all_requests, answers):
            if request is not None:
                results.append(got)
            elif not isinstance(got, (InvalidArgumentError, *ERRORS)):
                raise Violation(f"what is refused was answered {got!r:.300}")
        for index, (request, got) in enumerate(zip(requests, results)):
            if isinstance(got, ERRORS):
                self.lose(requests[index:], got)
                if not all(isinstance(each, PyGibsonError) for each in results[index:]):
                    raise Violation("an answer follows an error in a pipeline")
                return
            self.judge(request, Failure(type(got).__name__) if isinstance(got, ANSWERS) else got)

    def lose(self, requests: list[Request], error: BaseException) -> None:
        self.errors += 1
        self.history.append(f"{requests} -> {error!r}")
        self.worlds.lose(requests)

    def judge(self, request: Request, got: Any) -> None:
        self.asked += 1
        self.history.append(f"{request} -> {got!r:.200}")
        try:
            right = self.worlds.answer(request, got)
        except TooManyWorlds:
            self.give_up()
            return
        if not right:
            raise Violation(f"{request} was answered {got!r:.300}")

    def give_up(self) -> None:
        """Too many worlds to tell apart. All that is on its way comes to its end, and all is
        deleted."""
        self.gate.drop()
        for command in ("munlock", "mdl"):
            try:
                Request(command).call(self.direct, self.space)
            except NotFoundError:
                pass
        self.worlds.reset()

    def settle(self) -> None:
        """Ends all connections, and finds out what has been carried out."""
        self.history.append("settle")
        self.gate.drop()
        try:
            self.worlds.settle()
        except TooManyWorlds:
            self.give_up()
            return
        questions = [Request("mget", "", (None,))]
        for key in KEYS:
            questions += [Request("meta", key, ("ttl",)), Request("meta", key, ("lock",))]
        for request in questions:
            try:
                got = request.call(self.direct, self.space)
            except NotFoundError:
                got = Failure("NotFoundError")
            self.judge(request, got)
        if len(self.worlds.all) != 1:
            raise Violation(f"{len(self.worlds.all)} worlds are left")


def make_clients(chance: random.Random, proxy: Proxy) -> list[tuple[Client, bool]]:
    """Clients for the threads to share, and whether they repeat requests."""
    made = []
    for _ in range(chance.randrange(1, 5)):
        reconnects = chance.random() < 0.7
        repeats = reconnects and chance.random() < 0.4
        options = {
            **proxy.address,
            "timeout": chance.choice((5, 20, 60)),
            "connect_timeout": 300,
            "reconnect": reconnects,
            "retry_repeatable": repeats,
            "reconnect_delay": 1,
            "reconnect_max_delay": 3,
            "max_key_size": LIMITS.max_key_size,
            "max_value_size": LIMITS.max_value_size,
            "max_seconds": MAX_SECONDS,
        }
        made.append((connect(options), repeats))
    return made


def connect(options: dict[str, Any]) -> Client:
    """Faults are planned for so many connections, and a reset may come before one is made."""
    for _ in range(CONNECTIONS):
        try:
            return Client(**options)
        except UnreachableError:
            pass
    return Client(**options)


def run_round(seed: int, server: Server) -> list[Worker]:
    chance = random.Random(seed)
    gc.collect()  # now: not in a call that may be interrupted
    with Proxy(server, *plan_faults(chance), port=0 if chance.random() < 0.5 else None) as proxy:
        gate = Gate(proxy)
        shared = make_clients(chance, proxy)
        workers = []
        for index in range(chance.randrange(1, 5)):
            worker = Worker(index, chance.randrange(1 << 32), shared, gate, server)
            worker.give_up()  # what the round before has left
            workers.append(worker)
        threads = [threading.Thread(target=each.run) for each in workers[1:]]
        for thread in threads:
            thread.start()
        with Interrupter(random.Random(seed + 1)) as interrupter:
            workers[0].call = interrupter.call
            workers[0].run()
        for thread in threads:
            thread.join()
    return workers


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="signal handlers run in the main thread",
)
def test_under_random_faults_every_answer_is_right_or_an_exception(
    unix_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("GIBSON_TEST_SEED") or time.time_ns() % (1 << 32))
    count = int(os.environ.get("GIBSON_TEST_COUNT") or 0)
    end = time.monotonic() + float(os.environ.get("GIBSON_TEST_SECONDS") or 5)
    rounds = asked = errors = 0
    while rounds < count if count else time.monotonic() < end:
        workers = run_round(seed, unix_server)
        rounds += 1
        asked += sum(worker.asked for worker in workers)
        errors += sum(worker.errors for worker in workers)
        for worker in workers:
            if worker.failure is not None:
                print("\n".join(worker.history[-30:]))
                pytest.fail(
                    f"{worker.space}: {worker.failure!r}; "
                    f"replay: GIBSON_TEST_SEED={seed} GIBSON_TEST_COUNT=1"
                )
        seed = seed * 6364136223846793005 % (1 << 32) + 1
    with capsys.disabled():
        print(f"\nmodel: {rounds} rounds, {asked} answers, {errors} errors, next seed {seed}")
    assert asked > 0


def test_the_commands_of_the_model_are_those_of_the_client() -> None:
    both = {name for name in dir(Pipeline) if name in dir(Client) and name[0] != "_"}
    assert sorted(COMMANDS) == sorted((*both, "quit"))
    assert set(REPEATABLE) | set(READS) < set(COMMANDS)
