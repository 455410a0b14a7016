"""The ticker: it ticks at the earliest moment that is due, and not before."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from headrace_coordinator.ledger import ticker
from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.ledger.ticker import Ticker
from headrace_coordinator.moment import Now
from headrace_wire.errors import StoreError
from support.event_loops import in_event_loop

#: Far more than any of these waits takes, in seconds.
LONG = 60.0


class LedgerDouble:
    """Counts ticks by a clock that may be late."""

    def __init__(self) -> None:
        self.ticks: list[float] = []
        self.ticked = asyncio.Event()
        self.deadline = math.inf
        self.late_seconds = 0.0
        self.on_tick: Callable[[], None] = lambda: None

    def now(self) -> Now:
        return Now(time.monotonic() - self.late_seconds, time.time())

    def compact(self) -> None:
        """Do nothing."""

    def mend(self) -> None:
        """Do nothing."""

    def commit_now(self, *_: Any) -> None:
        self.ticks.append(self.now().monotonic)
        self.ticked.set()
        self.on_tick()

    def observe(self, _: Any) -> float:
        return self.deadline

    async def wait(self) -> float:
        """Return the moment of the next tick."""
        self.ticked.clear()
        await self.ticked.wait()
        return self.ticks[-1]


@pytest.fixture(autouse=True)
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it tick only when something is due."""
    monkeypatch.setattr(ticker, "LONGEST_TICK_SECONDS", LONG)


def start() -> tuple[LedgerDouble, Ticker]:
    ledger = LedgerDouble()
    made = Ticker(cast("Ledger", ledger))
    made.start()
    return ledger, made


@in_event_loop
async def test_it_ticks_at_the_deadline() -> None:
    ledger, ticking = start()
    ledger.deadline = time.monotonic() + 0.05
    deadline = ledger.deadline
    await ledger.wait()
    ledger.deadline = math.inf
    assert await ledger.wait() >= deadline
    ticking.stop()


@in_event_loop
async def test_an_earlier_moment_brings_the_tick_forward() -> None:
    ledger, ticking = start()
    await ledger.wait()
    moment = time.monotonic() + 0.02
    ticking.bring_forward(moment + LONG / 2)
    ticking.bring_forward(moment)
    ticking.bring_forward(moment + LONG / 2)
    assert moment <= await ledger.wait() < moment + LONG / 4
    ticking.stop()


@in_event_loop
async def test_a_moment_that_is_told_during_a_tick_is_not_missed() -> None:
    ledger, ticking = start()
    ledger.on_tick = lambda: ticking.bring_forward(0.0)
    for _ in range(3):
        await ledger.wait()
    ticking.stop()


@in_event_loop
async def test_between_two_ticks_there_is_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "SHORTEST_TICK_SECONDS", 0.05)
    ledger, ticking = start()
    first = await ledger.wait()
    ticking.bring_forward(0.0)
    assert await ledger.wait() >= first + 0.05
    ticking.stop()


@in_event_loop
async def test_ticks_that_take_long_leave_the_loop_to_others() -> None:
    ledger, ticking = start()
    busy_seconds = 0.01

    def be_busy() -> None:
        end = time.monotonic() + busy_seconds
        while time.monotonic() < end:
            pass
        ticking.bring_forward(0.0)

    ledger.on_tick = be_busy
    first = await ledger.wait()
    assert await ledger.wait() >= first + (1 + ticker.PAUSES_PER_TICK) * busy_seconds
    ticking.stop()


@in_event_loop
async def test_it_waits_for_the_coordinators_own_clock() -> None:
    ledger, ticking = start()
    await ledger.wait()
    moment = ledger.now().monotonic + 0.02
    ticking.bring_forward(moment)
    ledger.late_seconds = 0.1  # it stood still for so long
    assert await ledger.wait() >= moment
    ticking.stop()


@pytest.mark.parametrize("error", [StoreError("the disk is gone"), ValueError("a fault")])
@in_event_loop
async def test_it_goes_on_after_a_tick_that_failed(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker, "LONGEST_TICK_SECONDS", 0.01)
    ledger, ticking = start()

    def fail() -> None:
        raise error

    ledger.on_tick = fail
    for _ in range(3):
        await ledger.wait()
    ticking.stop()


@in_event_loop
async def test_it_ticks_no_more_once_it_is_stopped() -> None:
    ledger, ticking = start()
    await ledger.wait()
    ticking.stop()
    ticking.bring_forward(0.0)
    await asyncio.sleep(0.05)
    assert len(ledger.ticks) == 1
