"""A random walk over the methods of Client and Pipeline, whose model knows each answer, each
exception and each byte that is sent."""

from __future__ import annotations

import gc
import random
from typing import Any, Callable, NoReturn

from calls import MAX_SECONDS, Call, Limits, frame, refused_call, valid_call
from pygibson import (
    Client,
    ConnectionLostError,
    InvalidArgumentError,
    LockedError,
    NaNError,
    NotFoundError,
    Pipeline,
    PipelineError,
    PyGibsonError,
    Server,
)
from recorder import Recorder, Recording
from space import KEYS, Failure, Items, Request, apply, matches

SPACE = "w"
PATIENT = 30_000  # milliseconds
END = frame(Request("quit"), SPACE)
ANSWERS = (NotFoundError, LockedError, NaNError)


class Violation(Exception):
    pass


class Link:
    """A connection that a client should have."""

    def __init__(self, recording: Recording | None) -> None:
        self.recording = recording
        self.expected = bytearray()
        self.cut = False

    def check(self) -> None:
        """Tells whether what was sent is what should have been: all of it has been answered."""
        if self.recording is not None:
            sent = self.recording.requests()
            if sent != self.expected:
                raise Violation(f"sent {sent!r:.500}, not {bytes(self.expected)!r:.500}")
            del self.recording.sent[:]
        self.expected.clear()


class Batch:
    """A Pipeline, and what it holds."""

    def __init__(self, owner: Caller, raises: bool) -> None:
        self.owner = owner
        self.raises = raises
        self.real: Pipeline = owner.real.pipeline(raise_on_error=raises)
        self.calls: list[Call] = []


class Caller:
    """A Client, and what should be the case with it."""

    def __init__(self, real: Client, limits: Limits, reconnect: bool) -> None:
        self.real = real
        self.limits = limits
        self.reconnect = reconnect
        self.closed = False
        self.link: Link | None = None


class Walk:
    def __init__(self, seed: int, server: Server, recorder: Recorder | None) -> None:
        self.chance = random.Random(seed)
        self.server = server
        self.recorder = recorder
        self.connections = 0  # that should have been made
        self.items: Items = (None,) * len(KEYS)
        self.history: list[str] = []
        self.links: list[Link] = []
        self.callers = [self.new_caller() for _ in range(self.chance.randint(1, 3))]
        self.batches: list[Batch] = []

    def run(self, steps: int) -> None:
        for _ in range(steps):
            step, weight = zip(*self.STEPS)
            self.chance.choices(step, weight)[0](self)
            for caller in self.callers:
                self.check(caller)
        self.finish()

    def note(self, what: str) -> None:
        self.history.append(what if len(what) <= 300 else f"{what[:180]}...{what[-110:]}")
        del self.history[:-40]

    # -- connections -------------------------------------------------------------------------

    def new_caller(self) -> Caller:
        chance = self.chance
        limits = Limits(chance.choice((20, 200)), chance.choice((20, 300, 9000)))
        reconnect = chance.random() < 0.5
        real = Client(
            unix_socket=self.recorder.path if self.recorder else self.server.unix_socket,
            timeout=chance.choice((PATIENT, None)),
            reconnect=reconnect,
            retry_repeatable=reconnect and chance.random() < 0.5,
            max_seconds=MAX_SECONDS,
            max_key_size=limits.max_key_size,
            max_value_size=limits.max_value_size,
            pipeline_window=chance.choice((None, None, 1, 3)),
            pipeline_bytes=chance.choice((None, None, 1, 200)),
        )
        caller = Caller(real, limits, reconnect)
        self.connected(caller)
        self.note(f"{real!r}: {limits}, reconnect {reconnect}")
        return caller

    def connected(self, caller: Caller) -> Link:
        """Notes that a client has a new connection."""
        recording = self.recorder.recording(self.connections) if self.recorder else None
        self.connections += 1
        caller.link = Link(recording)
        self.links.append(caller.link)
        return caller.link

    def disconnected(self, caller: Caller) -> None:
        """Notes that a client has none any more, and checks what was sent over it."""
        link, caller.link = caller.link, None
        if link is not None:
            if link.recording is not None:
                link.recording.wait_for_end()
            link.check()
            self.links.remove(link)

    def check(self, caller: Caller) -> None:
        if caller.link is None and caller.real.connected and caller.reconnect:
            if caller.closed:
                raise Violation("a closed client has connected")
            self.connected(caller)  # before it found out that the call is refused
        if caller.real.connected != (caller.link is not None):
            raise Violation(f"connected is {caller.real.connected}")
        if caller.link is not None:
            caller.link.check()

    def usable(self, caller: Caller) -> bool:
        return not caller.closed and (caller.link is not None or caller.reconnect)

    def sent(self, caller: Caller, requests: list[Request]) -> None:
        """Notes that requests were sent and answered."""
        link = caller.link
        if link is None or link.cut:
            self.disconnected(caller)
            link = self.connected(caller)
        for request in requests:
            link.expected += frame(request, SPACE)

    # -- answers -----------------------------------------------------------------------------

    def fail(self, what: str, got: Any) -> NoReturn:
        raise Violation(f"{what}: {got!r:.300}")

    def attempt(self, function: Callable[[], Any]) -> Any:
        """What a call returns or raises."""
        try:
            return function()
        except (PyGibsonError, TypeError, ValueError, BufferError) as error:
            return error

    def expect(self, what: str, got: Any, kind: type[Exception]) -> None:
        if type(got) is not kind:
            self.fail(f"{what} should raise {kind.__name__}", got)

    def judge(self, call: Call, got: Any) -> None:
        """Checks the outcome of a call that was run."""
        if call.request is None:
            self.expect(str(call), got, InvalidArgumentError)
            return
        if isinstance(got, ANSWERS):
            got = Failure(type(got).__name__)
        elif isinstance(got, Exception):
            self.fail(f"{call} should have an answer", got)
        self.items, expected = apply(self.items, call.request)
        if not matches(SPACE, self.items, call.request, expected, got):
            self.fail(f"{call} should be {expected!r}", got)

    # -- steps -------------------------------------------------------------------------------

    def call(self, limits: Limits) -> Call:
        kind = refused_call if self.chance.random() < 0.3 else valid_call
        return kind(self.chance, limits, SPACE)

    def single(self) -> None:
        self.run_single(self.chance.choice(self.callers))

    def run_single(self, caller: Caller, call: Call | None = None) -> None:
        call = call or self.call(caller.limits)
        got = self.attempt(lambda: call.of(caller.real))
        self.note(f"{call} -> {got!r:.200}")
        if call.at_once is not None:
            self.expect(str(call), got, call.at_once)
        elif not self.usable(caller):
            self.expect(str(call), got, ConnectionLostError)
        elif caller.link is not None and caller.link.cut and not caller.reconnect:
            self.expect(str(call), got, ConnectionLostError)
            self.disconnected(caller)
        else:
            self.judge(call, got)
            if call.request is not None:
                self.sent(caller, [call.request])

    def some_gets(self) -> None:
        """In a row they take the shortest way through libgibson."""
        caller = self.chance.choice(self.callers)
        for _ in range(self.chance.randint(2, 3)):
            request = Request("get", self.chance.choice(KEYS))
            name = f"{SPACE}:{request.name}"
            self.run_single(caller, Call("get", (name,), {}, request, None))

    def new_batch(self) -> Batch:
        batch = Batch(self.chance.choice(self.callers), self.chance.random() < 0.5)
        self.note(f"pipeline, raises {batch.raises}")
        return batch

    def keep_batch(self) -> None:
        if len(self.batches) > 4:
            self.batches.pop(self.chance.randrange(len(self.batches)))  # never run
        self.batches.append(self.new_batch())

    def add(self, batch: Batch, call: Call | None = None) -> None:
        call = call or self.call(batch.owner.limits)
        got = self.attempt(lambda: call.of(batch.real))
        self.note(f"batch: {call} -> {got!r:.200}")
        if call.at_once is not None:
            self.expect(str(call), got, call.at_once)
        elif got is not batch.real:
            self.fail(f"{call} should return the batch", got)
        else:
            batch.calls.append(call)
        if len(batch.real) != len(batch.calls):
            self.fail(f"{len(batch.calls)} calls", len(batch.real))

    def add_some(self) -> None:
        if self.batches:
            batch = self.chance.choice(self.batches)
            for _ in range(self.chance.choice((1, 1, 2, 5, 30))):
                self.add(batch)

    def execute(self) -> None:
        if self.batches:
            batch = self.chance.choice(self.batches)
            self.ended(batch, self.attempt(batch.real.execute))

    def ended(self, batch: Batch, got: Any) -> None:
        """Checks what came of execute, or of the end of a with statement: None or an exception."""
        calls, batch.calls = batch.calls, []
        self.note(f"executed {len(calls)} -> {got!r:.300}")
        caller, results = batch.owner, batch.real.results
        if len(batch.real):
            self.fail("the batch should be empty", len(batch.real))
        if caller.closed:
            self.expect("execute", got, ConnectionLostError)
            if results is not None:
                self.fail("nothing was run", results)
        elif type(got) is ConnectionLostError and self.may_be_lost(caller):
            if not results or not all(isinstance(each, PyGibsonError) for each in results):
                self.fail("all should have failed", results)
            self.disconnected(caller)
        else:
            self.judge_batch(batch, calls, got)
            requests = [call.request for call in calls if call.request is not None]
            if requests:
                self.sent(caller, requests)

    def may_be_lost(self, caller: Caller) -> bool:
        return caller.link.cut if caller.link is not None else not caller.reconnect

    def judge_batch(self, batch: Batch, calls: list[Call], got: Any) -> None:
        results = batch.real.results
        if results is None or len(results) != len(calls):
            self.fail(f"there should be {len(calls)} results", results)
        for call, result in zip(calls, results):
            self.judge(call, result)
        failed = [index for index, it in enumerate(results) if isinstance(it, PyGibsonError)]
        if not failed or not batch.raises:
            if got is not None and got is not results:
                self.fail("execute should return the results", got)
            return
        self.expect("execute", got, PipelineError)
        named = [(each.index, each.command, each.error) for each in got.failures]
        if named != [(index, calls[index].command, results[index]) for index in failed]:
            self.fail(f"{failed} failed", got)
        if got.results is not results:
            self.fail("the exception should have the results", got.results)

    def with_statement(self) -> None:
        """Nested ones, single calls in them, and exceptions that end them."""
        batch, nested = self.new_batch(), self.new_batch()
        raises = self.chance.random() < 0.2

        def body() -> None:
            with batch.real as entered:
                if entered is not batch.real:
                    self.fail("with should give the batch", entered)
                for _ in range(self.chance.randrange(6)):
                    self.add(batch)
                    if self.chance.random() < 0.2:
                        self.run_single(batch.owner)
                if self.chance.random() < 0.3:
                    self.run_nested(nested)
                self.note(f"the end of with, raises {raises}")
                if raises:
                    raise BufferError("of the body")

        got = self.attempt(body)
        if not raises:
            self.ended(batch, got)
        elif str(got) != "of the body" or batch.real.results is not None or len(batch.real):
            self.fail("the exception of the body should win", got)

    def run_nested(self, nested: Batch) -> None:
        def body() -> None:
            with nested.real:
                for _ in range(self.chance.randrange(4)):
                    self.add(nested)

        self.ended(nested, self.attempt(body))

    def close(self) -> None:
        caller = self.chance.choice(self.callers)
        self.note("close")
        if self.chance.random() < 0.5:
            caller.real.close()
        else:
            with caller.real:
                pass
        self.disconnected(caller)
        caller.closed = True

    def connect(self) -> None:
        caller = self.chance.choice(self.callers)
        self.note("connect")
        caller.real.connect()
        self.disconnected(caller)
        self.connected(caller)
        caller.closed = False

    def revive(self) -> None:
        """Most of the walk should be with connections."""
        for caller in self.callers:
            if not self.usable(caller):
                caller.real.connect()
                self.connected(caller)
                caller.closed = False

    def quit(self) -> None:
        caller = self.chance.choice(self.callers)
        self.note("quit")
        caller.real.quit()
        if caller.link is not None:
            caller.link.expected += END
        self.disconnected(caller)
        caller.closed = True

    def cut(self) -> None:
        """The connection is cut, and something is done with it that notices."""
        caller = self.chance.choice(self.callers)
        if caller.link is None or caller.link.recording is None:
            return
        caller.link.recording.cut()
        caller.link.check()
        caller.link.cut = True
        dice = self.chance.random()
        self.note(f"cut, reconnect {caller.reconnect}")
        call = valid_call(self.chance, caller.limits, SPACE)
        if dice < 0.4:
            self.run_single(caller, call)
        elif dice < 0.8:
            batch = Batch(caller, self.chance.random() < 0.5)
            self.add(batch, call)
            for _ in range(self.chance.randrange(4)):
                self.add(batch)
            self.ended(batch, self.attempt(batch.real.execute))
        else:
            got = self.attempt(caller.real.quit)  # which must not connect to say END
            self.note(f"quit -> {got!r}")
            if got is not None and type(got) is not ConnectionLostError:
                self.fail("quit", got)
            self.disconnected(caller)
            caller.closed = True

    def timeout(self) -> None:
        caller = self.chance.choice(self.callers)
        before = caller.real.timeout
        good = self.chance.choice((None, PATIENT, PATIENT + 1))
        bad, kind = self.chance.choice(
            ((0, InvalidArgumentError), (-1, InvalidArgumentError), ("1", TypeError))
        )
        self.expect("timeout", self.attempt(lambda: setattr(caller.real, "timeout", bad)), kind)
        if caller.real.timeout != before:
            self.fail(f"timeout should still be {before}", caller.real.timeout)
        caller.real.timeout = good
        if caller.real.timeout != good:
            self.fail(f"timeout should be {good}", caller.real.timeout)

    def replace(self) -> None:
        """A client is dropped without a word, with the batches that belong to it."""
        index = self.chance.randrange(len(self.callers))
        gone = self.callers[index]
        self.batches = [batch for batch in self.batches if batch.owner is not gone]
        self.callers[index] = self.new_caller()
        del gone.real
        gc.collect()  # an exception that was raised knows the frames, and they know the client
        self.disconnected(gone)

    def finish(self) -> None:
        """All connections are closed, and nothing more has been sent than should have been."""
        for caller in self.callers:
            caller.real.close()
            self.disconnected(caller)
        if self.recorder is not None:
            made = self.recorder.count()
            if made != self.connections:
                self.fail(f"there should have been {self.connections} connections", made)

    STEPS: tuple[tuple[Callable[[Walk], None], int], ...] = (
        (single, 30),
        (some_gets, 10),
        (keep_batch, 5),
        (add_some, 15),
        (execute, 8),
        (with_statement, 8),
        (close, 1),
        (connect, 1),
        (revive, 3),
        (quit, 1),
        (cut, 2),
        (timeout, 1),
        (replace, 1),
    )
