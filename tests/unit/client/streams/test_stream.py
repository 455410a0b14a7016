"""Streams and those who wait for them, with a coordinator in memory that answers each call."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from headrace import calls as calls_module
from headrace import outcomes
from headrace.calls import Calls
from headrace.outcomes import AsyncResult
from headrace.streams import inbox, lifetime, outbox, receiver, sender
from headrace.streams import stream as stream_module
from headrace.streams.stream import Stream
from headrace_services.calls import CallOptions
from headrace_services.calls.values import pack_value, unpack_value
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import HeadraceError, JobStateError, SpoolFullError
from headrace_wire.messages.results import Collected, CollectRequest, ResultSpan

#: Where places are in which a signal's handler may run.
FILES = {
    module.__file__
    for module in (
        calls_module,
        inbox,
        lifetime,
        outbox,
        outcomes,
        receiver,
        sender,
        stream_module,
    )
}

SECONDS = 20.0


class Interrupted(Exception):  # noqa: N818 - not an error
    pass


class Jobs:
    """Takes inputs in; the outcome of each is its argument."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.values: list[bytes] = []
        self.sealed = False
        self.problem: BaseException | None = None

    def info(self) -> None:
        pass

    def submit(self, spec: object) -> None:
        pass

    def put(self, job: str, start: int, packed: bytes) -> None:
        with self.changed:
            if start == len(self.values):
                for item in unpack_batch(packed):
                    _, frame, _ = unpack(item)
                    (argument,), _ = unpack_value(frame, None)  # type: ignore[arg-type]
                    self.values.append(pack_value(argument))
                self.changed.notify_all()

    def seal(self, job: str, tasks: int) -> None:
        with self.changed:
            assert tasks == len(self.values)
            self.sealed = True
            self.changed.notify_all()

    def delete(self, job: str) -> None:
        pass

    def break_down(self, problem: BaseException) -> None:
        with self.changed:
            self.problem = problem
            self.changed.notify_all()

    def collect(self, request: CollectRequest) -> Collected:
        with self.changed:
            self.changed.wait_for(
                lambda: request.cursor < len(self.values) or self.sealed or self.problem,
                min(request.wait_seconds, 1.0),
            )
            if self.problem:
                raise self.problem
            stop = len(self.values)
            new = self.values[request.cursor : stop]
            run = ResultSpan(start=request.cursor, stop=stop, values=pack_batch(new))
            return Collected(
                runs=(run,) if new else (),
                cursor=stop,
                failures=(),
                failure_cursor=0,
                complete=self.sealed,
            )


def _ignore(*told: object) -> None:
    pass


class MemoryEngine:
    def __init__(self) -> None:
        self.jobs: Any = Jobs()
        self.results: Any = self.jobs
        self.streams: list[Stream] = []


@pytest.fixture
def engine() -> Iterator[MemoryEngine]:
    before = set(threading.enumerate())
    engine = MemoryEngine()
    yield engine
    engine.jobs.break_down(HeadraceError("the test is over"))
    for stream in engine.streams:
        stream.abandon()
    for thread in set(threading.enumerate()) - before:  # no other test is to have them
        thread.join(SECONDS)
        assert not thread.is_alive(), f"{thread.name} outlives its stream"


def open_calls(engine: MemoryEngine) -> Calls:
    def open_stream(operation: str, parameters: dict[str, object], **callbacks: Any) -> Stream:
        stream = Stream(engine, "calls", operation, parameters, **callbacks)  # type: ignore[arg-type]
        engine.streams.append(stream)
        return stream

    return Calls(CallOptions(serializer="msgpack"), open_stream)


def call_async(calls: Calls, argument: object) -> AsyncResult[Any]:
    result: AsyncResult[Any] = AsyncResult()
    calls.call("m:f", (argument,), {}, result.settle)
    return result


def interrupt_at(step: int) -> Callable[[FrameType, str, object], None]:
    """A profile function that raises at the so-manyeth place where a signal's handler may run.

    That is where a function of Python begins, and after one of C has returned.
    """
    left = step

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal left
        del arg
        if frame.f_code.co_filename in FILES and event in {"call", "c_return"}:
            left -= 1
            if not left:
                raise Interrupted

    return profile


def try_to(action: Callable[[], object], step: int) -> bool:
    """Have an action interrupted. False when it was over before."""
    before = sys.getprofile()
    sys.setprofile(interrupt_at(step))
    try:
        action()
    except Interrupted:
        return True
    finally:
        sys.setprofile(before)
    return False


@pytest.mark.parametrize("busy", [False, True])
def test_an_interrupt_anywhere_in_a_call_harms_no_other_one(
    engine: MemoryEngine, *, busy: bool
) -> None:
    calls = open_calls(engine)
    if busy:  # then the receiver thread receives
        assert call_async(calls, "at first").get(SECONDS) == "at first"
    step = 1
    while try_to(lambda: calls.apply("m:f", ("interrupted",), {}), step):
        assert call_async(calls, step).get(SECONDS) == step if busy else True
        assert calls.apply("m:f", (step,), {}) == step
        step += 1
    assert step > 20
    calls.stream.close()
    calls.stream.join()


def test_an_interrupt_anywhere_while_a_result_is_waited_for_loses_nothing(
    engine: MemoryEngine,
) -> None:
    calls = open_calls(engine)
    step = 1
    while True:
        result = call_async(calls, step)
        others = [call_async(calls, number) for number in range(3)]
        interrupted = try_to(lambda: result.get(SECONDS), step)  # noqa: B023 - called at once
        assert result.get(SECONDS) == step
        assert [other.get(SECONDS) for other in others] == [0, 1, 2]
        if not interrupted:
            break
        step += 1
    assert call_async(calls, "later").get(SECONDS) == "later"


def test_callers_in_many_threads_get_each_their_own(engine: MemoryEngine) -> None:
    calls = open_calls(engine)
    wrong: list[object] = []

    def call_often(name: int) -> None:
        for number in range(50):
            got = calls.apply("m:f", ([name, number],), {})
            wrong.extend([got] if got != [name, number] else [])

    threads = [threading.Thread(target=call_often, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("problem", [HeadraceError("it went away"), SystemExit(1), MemoryError()])
def test_when_the_receiver_ends_everybody_hears_of_it(
    engine: MemoryEngine, problem: BaseException
) -> None:
    calls = open_calls(engine)
    assert call_async(calls, 1).get(SECONDS) == 1
    engine.jobs.put = _ignore  # nothing is ever answered
    result = call_async(calls, 2)
    heard: list[BaseException] = []

    def wait() -> None:
        try:
            calls.apply("m:f", (3,), {})
        except HeadraceError as error:
            heard.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    engine.jobs.break_down(problem)
    with pytest.raises(HeadraceError, match=r"went away|are lost"):
        result.get(SECONDS)
    waiting.join(SECONDS)
    assert len(heard) == 1
    with pytest.raises(HeadraceError):
        call_async(calls, 4)


def test_a_callback_may_wait_for_another_call(engine: MemoryEngine) -> None:
    calls = open_calls(engine)
    inner: list[object] = []
    result: AsyncResult[Any] = AsyncResult(
        lambda value: inner.extend([value, calls.apply("m:f", ("inner",), {})])
    )
    calls.call("m:f", ("outer",), {}, result.settle)
    assert result.get(SECONDS) == "outer"
    assert inner == ["outer", "inner"]


def test_a_callback_cannot_wait_for_all_calls(engine: MemoryEngine) -> None:
    calls = open_calls(engine)
    raised: list[BaseException] = []

    def join(value: object) -> None:
        del value
        calls.stream.close()
        try:
            calls.stream.join()
        except RuntimeError as error:
            raised.append(error)

    result: AsyncResult[Any] = AsyncResult(join)
    calls.call("m:f", (1,), {}, result.settle)
    assert result.get(SECONDS) == 1
    assert len(raised) == 1
    calls.stream.join()


def test_a_callback_that_cancels_the_rest_has_its_own_result(engine: MemoryEngine) -> None:
    calls = open_calls(engine)
    result: AsyncResult[Any] = AsyncResult(lambda _: calls.stream.cancel())
    calls.call("m:f", (1,), {}, result.settle)
    assert result.get(SECONDS) == 1
    with pytest.raises(JobStateError):
        call_async(calls, 2)


def test_a_stream_that_was_closed_before_anything_went_in_is_over(engine: MemoryEngine) -> None:
    calls = open_calls(engine)
    calls.stream.close()
    calls.stream.join()
    assert calls.stream.ended
    with pytest.raises(JobStateError):
        call_async(calls, 1)


def test_a_stream_whose_job_has_to_wait_for_room_says_so(engine: MemoryEngine) -> None:
    held = [SpoolFullError("there is no room")]

    def submit(spec: object) -> None:
        if held:
            raise held.pop()

    engine.jobs.submit = submit
    told: list[str] = []
    stream = Stream(
        engine,  # type: ignore[arg-type]
        "calls",
        "map",
        {},
        on_values=_ignore,
        on_failures=_ignore,
        on_broken=_ignore,
        on_held=told.append,
    )
    engine.streams.append(stream)
    words: dict[str, object] = {}
    stream.put(pack(["f", pack_value(((1,), words)), ""]))
    with engine.jobs.changed:
        assert engine.jobs.changed.wait_for(lambda: engine.jobs.values, SECONDS)
    assert told == ["there is no room"]
