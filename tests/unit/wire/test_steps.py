"""What calls in a loop wait for: pauses, bells, and what blocks elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from headrace_wire.loop import Answer
from headrace_wire.steps import Aside, Bell, Pause
from support.steps import PATIENCE_SECONDS, Calls


@pytest.fixture
def calls() -> Iterator[Calls]:
    with Calls() as calls:
        yield calls


@pytest.fixture
def bell(calls: Calls) -> Bell:
    return Bell(calls.loop)


def wait(bell: Bell, seconds: float = PATIENCE_SECONDS) -> Answer[bool]:
    rang: bool = yield bell.wait(time.monotonic() + seconds)
    return rang


def test_a_pause_lasts_its_time(calls: Calls) -> None:
    def pause() -> Answer[float]:
        began = time.monotonic()
        yield Pause(calls.loop, 0.05)
        return time.monotonic() - began

    assert 0.05 <= calls.answer(pause()) < PATIENCE_SECONDS


def test_a_bell_wakes_who_waits(calls: Calls, bell: Bell) -> None:
    waiting = calls.begin(wait(bell))
    calls.settle()
    assert not waiting.done()
    calls.loop.call(bell.ring)
    assert waiting.result(PATIENCE_SECONDS)


def test_a_ring_before_the_wait_is_heard_once(calls: Calls, bell: Bell) -> None:
    calls.run(bell.ring)
    calls.run(bell.ring)
    assert calls.answer(wait(bell))
    assert not calls.answer(wait(bell, 0.01))


def test_a_wait_ends_at_its_deadline_and_the_next_one_is_its_own(calls: Calls, bell: Bell) -> None:
    assert not calls.answer(wait(bell, 0.01))
    waiting = calls.begin(wait(bell))
    calls.loop.call(bell.ring)
    assert waiting.result(PATIENCE_SECONDS)


def test_who_is_called_off_hears_no_ring(calls: Calls, bell: Bell) -> None:
    waiting = calls.begin(wait(bell))
    calls.settle()
    calls.call_off(waiting)
    calls.run(bell.ring)
    assert not waiting.done()
    assert calls.answer(wait(bell)), "the ring is the next one's"


def test_what_blocks_leaves_the_loop_free(calls: Calls, bell: Bell) -> None:
    release = threading.Event()

    def block() -> str:
        assert release.wait(PATIENCE_SECONDS)
        return threading.current_thread().name

    def call() -> Answer[str]:
        name: str = yield Aside(calls.loop, block)
        return name

    waiting = calls.begin(call())
    calls.run(bell.ring)
    assert calls.answer(wait(bell))
    release.set()
    assert waiting.result(PATIENCE_SECONDS) == "aside"
    assert "aside" not in {thread.name for thread in threading.enumerate()}


def test_what_goes_wrong_aside_is_raised_in_the_call(calls: Calls) -> None:
    def fail() -> None:
        raise LookupError("aside")

    def call() -> Answer[str]:
        try:
            yield Aside(calls.loop, fail)
        except LookupError as error:
            return str(error)
        return "nothing"

    assert calls.answer(call()) == "aside"


def test_what_nobody_waits_for_any_more_is_discarded(calls: Calls) -> None:
    release, discarded = threading.Event(), threading.Event()
    things: list[str] = []

    def make() -> str:
        assert release.wait(PATIENCE_SECONDS)
        return "made in vain"

    def discard(thing: str) -> None:
        things.append(thing)
        discarded.set()

    def call() -> Answer[None]:
        yield Aside(calls.loop, make, discard)

    waiting = calls.begin(call())
    calls.settle()
    calls.call_off(waiting)
    release.set()
    assert discarded.wait(PATIENCE_SECONDS)
    assert things == ["made in vain"]
    assert not waiting.done()


def test_without_a_thread_to_be_had_the_call_is_told(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def call() -> Answer[None]:
        yield Aside(calls.loop, time.monotonic)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="can't start new thread"):
        calls.answer(call())
