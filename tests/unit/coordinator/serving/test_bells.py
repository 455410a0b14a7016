"""Bells: nothing that rings between a look and a wait is missed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from headrace_coordinator.serving.bells import Bells
from headrace_wire.loop import Answer, Loop
from support.steps import Calls


@pytest.fixture
def calls() -> Iterator[Calls]:
    with Calls() as calls:
        yield calls


@pytest.fixture
def bells(calls: Calls) -> Bells:
    return Bells(calls.loop)


def wait(bells: Bells, topic: str, count: int, seconds: float) -> Answer[bool]:
    rang: bool = yield bells.wait(topic, count, time.monotonic() + seconds)
    return rang


def test_a_bell_that_rang_since_the_look_does_not_wait(calls: Calls, bells: Bells) -> None:
    count = bells.count("a")
    bells.ring("a")
    assert calls.answer(wait(bells, "a", count, 10))


def test_a_wait_ends_at_its_deadline_and_leaves_no_waiter(calls: Calls, bells: Bells) -> None:
    assert not calls.answer(wait(bells, "a", bells.count("a"), 0.01))
    assert bells.count_waiters("a") == 0


def test_ringing_wakes_everyone_who_waits_for_that_topic_alone(calls: Calls, bells: Bells) -> None:
    waiting = [calls.begin(wait(bells, topic, 0, 10)) for topic in ("a", "a", "b")]
    calls.settle()
    assert bells.count_waiters("a") == 2
    bells.ring("a")
    assert waiting[0].result(10)
    assert waiting[1].result(10)
    assert not waiting[2].done()
    bells.forget("b")
    assert waiting[2].result(10)


def test_who_is_called_off_waits_no_more(calls: Calls, bells: Bells) -> None:
    waiting = calls.begin(wait(bells, "a", 0, 10))
    calls.settle()
    calls.call_off(waiting)
    assert bells.count_waiters("a") == 0
    bells.ring("a")
    calls.settle()
    assert not waiting.done()


def test_closing_wakes_all_and_lets_nobody_wait_again(calls: Calls, bells: Bells) -> None:
    waiting = calls.begin(wait(bells, "a", 0, 10))
    calls.settle()
    bells.close()
    assert waiting.result(10) is False
    assert not calls.answer(wait(bells, "a", bells.count("a"), 10))


def test_a_ring_between_the_end_of_a_wait_and_the_next_is_not_missed(
    calls: Calls, bells: Bells
) -> None:
    heard = 0

    def listen() -> Answer[int]:
        nonlocal heard
        rung = bells.count("a")
        while heard < 3:
            assert (yield bells.wait("a", rung, time.monotonic() + 10))
            rung = bells.count("a")
            heard += 1
        return heard

    waiting = calls.begin(listen())
    while not waiting.done():
        bells.ring("a")
        calls.settle()
    assert waiting.result(10) == 3


def test_timers_that_were_cancelled_do_not_pile_up(calls: Calls) -> None:
    loop: Loop = calls.loop

    def make() -> None:
        for _ in range(10_000):
            loop.call_at(time.monotonic() + 1000, lambda: None).cancel()

    calls.run(make)
    calls.settle()
    calls.settle()
    assert len(loop._timers) <= 1000


def listen(bells: Bells, heard: list[str], name: str, *, pass_on: bool) -> Answer[None]:
    rung = bells.count("a")
    while True:
        if not (yield bells.wait("a", rung, time.monotonic() + 10)):
            return
        rung = bells.count("a")
        heard.append(name)
        if pass_on:
            bells.pass_on("a")


def test_a_ring_for_one_wakes_who_waited_longest_and_goes_on_as_it_is_passed_on(
    calls: Calls, bells: Bells
) -> None:
    heard: list[str] = []
    for name in ("first", "second", "third"):
        calls.begin(listen(bells, heard, name, pass_on=name != "second"))
        calls.settle()
    bells.ring_for_one("a")
    calls.settle()
    assert heard == ["first", "second"]
    bells.ring_for_one("a")
    calls.settle()
    assert heard == ["first", "second", "third", "first", "second"], "each once, the oldest first"


def test_a_ring_for_one_that_goes_away_is_heard_by_the_next(calls: Calls, bells: Bells) -> None:
    heard: list[str] = []
    first = calls.begin(listen(bells, heard, "first", pass_on=False))
    calls.settle()
    calls.begin(listen(bells, heard, "second", pass_on=False))
    calls.settle()

    def ring_and_go() -> None:
        bells.ring_for_one("a")
        calls._runs[first].call_off()

    calls.run(ring_and_go)
    calls.settle()
    assert heard == ["second"]
