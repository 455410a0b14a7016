"""The ticker's alarm: it wakes at the earliest moment that anybody told."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from headrace_coordinator.ledger.ticker_alarm import Alarm

#: Far more than any of these waits takes, in seconds.
LONG = 60.0


class Clock:
    """A clock that stands still unless it is moved; ``read`` is set once somebody looked."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.read = threading.Event()

    def __call__(self) -> float:
        self.read.set()
        return self.seconds


def test_it_waits_for_the_moment() -> None:
    alarm = Alarm(time.monotonic)
    until = time.monotonic() + 0.02
    assert alarm.wait(until)
    assert time.monotonic() >= until


def test_an_earlier_moment_wakes_it_at_once() -> None:
    clock = Clock()
    alarm = Alarm(clock)
    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(alarm.wait, LONG)
        assert clock.read.wait(LONG)
        clock.seconds = 5.0
        alarm.bring_forward(5.0)
        assert woken.result(LONG / 2)


def test_a_moment_told_before_the_wait_is_not_missed() -> None:
    alarm = Alarm(lambda: 5.0)
    alarm.bring_forward(4.0)
    alarm.bring_forward(LONG)
    assert alarm.wait(LONG)


def test_it_does_not_wake_before_the_earliest_moment() -> None:
    alarm = Alarm(time.monotonic)
    earliest = time.monotonic() + 0.02
    alarm.bring_forward(0.0)
    assert alarm.wait(earliest + LONG, earliest)
    assert time.monotonic() >= earliest


def test_it_forgets_what_was_told_before_a_reset() -> None:
    alarm = Alarm(time.monotonic)
    alarm.bring_forward(0.0)
    alarm.reset()
    until = time.monotonic() + 0.02
    assert alarm.wait(until)
    assert time.monotonic() >= until


def test_it_ends_when_it_is_stopped() -> None:
    clock = Clock()
    alarm = Alarm(clock)
    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(alarm.wait, LONG)
        assert clock.read.wait(LONG)
        alarm.stop()
        assert not woken.result(LONG / 2)
