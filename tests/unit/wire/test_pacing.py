"""Calls that take long, made by somebody who makes many of them."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from headrace_wire.pacing import PAUSES_PER_CALL, Pace
from support.event_loops import in_event_loop

#: What each call takes, in seconds of processor time.
LONG = 0.01


def be_busy() -> float:
    begun, end = time.monotonic(), time.thread_time() + LONG
    while time.thread_time() < end:
        pass
    return begun


@in_event_loop
async def test_one_key_makes_long_calls_one_by_one_with_pauses() -> None:
    pace = Pace()
    begun = await asyncio.gather(*(pace.take("greedy", "jobs", be_busy) for _ in range(4)))
    assert list(begun) == sorted(begun)
    for before, after in pairwise(begun):
        # Timers may be a thousandth of a second early.
        assert after - before >= (1 + PAUSES_PER_CALL) * LONG - 0.002


@in_event_loop
async def test_others_and_other_methods_do_not_wait_for_it() -> None:
    pace = Pace()
    greedy = [asyncio.create_task(pace.take("greedy", "jobs", be_busy)) for _ in range(100)]
    await asyncio.sleep(0)
    assert await pace.take("modest", "jobs", lambda: 1) == 1
    assert await pace.take("greedy", "workers", lambda: 2) == 2
    assert sum(task.done() for task in greedy) < 10
    for task in greedy:
        task.cancel()
    await asyncio.wait(greedy)


@in_event_loop
async def test_short_calls_do_not_wait_and_errors_go_through() -> None:
    pace = Pace()

    def fail() -> None:
        raise ValueError("no")

    for _ in range(200):
        with pytest.raises(ValueError, match="no"):
            await pace.take("k", "jobs", fail)
    assert await pace.take("k", "jobs", lambda: 3) == 3
