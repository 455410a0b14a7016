"""Calls and their outcomes, without anybody who does them."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest

from headrace.calls import BlockingCall, Calls, open_failure, open_outcomes
from headrace.outcomes import Outcome
from headrace.streams import stream
from headrace.streams.stream import Stream
from headrace_services.calls import CallOptions, pickling
from headrace_services.calls.transport import Serializer
from headrace_services.calls.values import pack_value
from headrace_wire.errors import HeadraceError, TaskFailedError, UsageError
from headrace_wire.messages.failures import ERROR, TaskFailure


class FakeStream:
    """Takes calls in, and is told what came of them by the test."""

    def __init__(self, operation: str, parameters: dict[str, object], **callbacks: Any) -> None:
        del operation
        self.serializer = parameters["serializer"]
        self.callbacks = callbacks
        self.count = 0
        #: What happens while a caller waits.
        self.meanwhile: list[object] = []

    def put(self, item: bytes, *, awaited: bool) -> int:
        assert awaited
        return self.put_all([item])

    def put_all(self, items: Sequence[bytes]) -> int:
        assert all(items)
        self.count += len(items)
        return self.count - len(items)

    def push(self) -> None:
        pass

    def wait_for(self, call: BlockingCall) -> None:
        self.tell(self.count - 1, self.meanwhile)
        assert call.over

    def tell(self, start: int, values: Sequence[object]) -> None:
        pack = pickle.dumps if self.serializer == "cloudpickle" else pack_value
        self.callbacks["on_values"](start, [pack(value) for value in values])


class Leaves:
    """Ends the thread in which it is opened."""

    def __reduce__(self) -> Any:
        return (_leave, ())


def _leave() -> None:
    raise SystemExit(3)


class Picky(Exception):  # noqa: N818 - a user's own
    """Can be pickled and not opened."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one}{other}")


def make_calls(serializer: Serializer = "msgpack") -> tuple[Calls, FakeStream]:
    options = CallOptions(serializer=serializer)
    calls = Calls(
        options, lambda *words, **callbacks: cast("Stream", FakeStream(*words, **callbacks))
    )
    return calls, cast("FakeStream", calls.stream)


def test_what_one_caller_does_with_an_outcome_is_nothing_to_the_others() -> None:
    calls, stream = make_calls()
    settled: list[Outcome] = []

    def settle_badly(outcome: Outcome) -> None:
        del outcome
        raise SystemExit

    for settle in (settled.append, settle_badly, settled.append):
        calls.call("m:f", (), {}, settle)
    receiver = threading.Thread(target=stream.tell, args=(0, ["a", "b", "c"]))
    receiver.start()
    receiver.join()
    assert settled == [(True, "a"), (True, "c")]
    stream.tell(0, ["a", "b", "c"])
    assert len(settled) == 2, "they are let go of"


def test_a_caller_who_waits_opens_the_value_itself() -> None:
    calls, stream = make_calls()
    stream.meanwhile = ["one"]
    assert calls.apply("m:f", (1,), {}) == "one"
    assert calls.list_waiting() == []


def test_an_outcome_that_comes_again_is_the_same() -> None:
    call = BlockingCall()
    call.take_value(b"1")
    call.take_value(b"1")
    call.take_error(ValueError())
    assert (call.value, call.error) == (b"1", None)


def test_what_waits_in_a_callback_is_told_there() -> None:
    """A callback that makes another call receives, and goes on with what is still to be told."""
    calls, stream = make_calls()
    settled: list[Outcome] = []

    def settle_first(outcome: Outcome) -> None:
        settled.append(outcome)
        stream.meanwhile = ["inner"]
        settled.append((True, calls.apply("m:f", (), {})))

    calls.call("m:f", (), {}, settle_first)
    calls.call("m:f", (), {}, settled.append)
    stream.tell(0, ["first", "second"])
    assert settled == [(True, "first"), (True, "inner"), (True, "second")]


def test_when_the_stream_breaks_everybody_is_told_once() -> None:
    calls, stream = make_calls()
    settled: list[Outcome] = []
    calls.call("m:f", (), {}, settled.append)
    error = HeadraceError("gone")
    stream.callbacks["on_broken"](error)
    stream.callbacks["on_broken"](error)
    stream.tell(0, ["late"])
    assert settled == [(False, error)]


def test_a_value_that_ends_its_reader_is_an_error_of_its_call() -> None:
    ((success, error),) = open_outcomes("cloudpickle", [pickle.dumps(Leaves())], 4, "leave")
    assert not success
    assert isinstance(error, TaskFailedError)
    assert "task 4, leave: its result cannot be opened in this program: SystemExit: 3" in str(error)
    assert isinstance(error.__cause__, SystemExit)


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_result_that_cannot_be_opened_says_whose_it_is(*, is_blocking: bool) -> None:
    calls, stream = make_calls("cloudpickle")
    stream.meanwhile = [Picky("a", "b")]
    outcomes: list[Outcome] = []
    if is_blocking:
        with pytest.raises(TaskFailedError) as caught:
            calls.apply(len, ([],), {})
        error: Any = caught.value
    else:
        calls.call(len, ([],), {}, outcomes.append)
        stream.tell(0, stream.meanwhile)
        [(success, error)] = outcomes
        assert not success
    assert "task 0, len: its result cannot be opened in this program: TypeError" in str(error)
    assert isinstance(error.__cause__, TypeError)


def test_a_failure_that_cannot_be_rebuilt_says_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def rebuild(failure: TaskFailure) -> Exception:
        raise RecursionError(failure.index)

    monkeypatch.setattr("headrace.calls.rebuild_failure", rebuild)
    failure = TaskFailure(
        lease=1, job="j", index=7, attempt=1, reason=ERROR, signal="", error_type="m.Odd",
        message="it broke", traceback="", summary="", worker="w", cpu_seconds=0.0,
        busy_seconds=0.0,
    )  # fmt: skip
    assert "task 7: m.Odd: it broke" in str(open_failure(failure, "cloudpickle"))


def test_arguments_that_are_too_large_are_refused_before_they_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, _ = make_calls("cloudpickle")
    monkeypatch.setattr(stream, "MAX_ITEM_BYTES", 1000)
    monkeypatch.setattr("headrace.calls.pack", None)
    with pytest.raises(UsageError, match=r"is too large to travel: 1[0-9]{3} bytes, of 1000 at m"):
        calls.apply(len, (bytes(1000),), {})


@pytest.mark.parametrize(("most", "times"), [(1000, 1), (5000, 2)])
def test_what_is_too_large_is_pickled_once(
    monkeypatch: pytest.MonkeyPatch, most: int, times: int
) -> None:
    pickled: list[object] = []

    class Noted:
        def __reduce__(self) -> Any:
            pickled.append(self)
            return (int, ())

    array = np.zeros(2000, "u1")
    array.flags.writeable = False
    monkeypatch.setattr(pickling, "MAX_FRAME_BYTES", most)
    assert len(pickling.dump((Noted(), array))) > 2000
    assert len(pickled) == times
