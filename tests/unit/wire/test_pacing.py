"""Calls that take long, made by somebody who makes many of them."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from itertools import pairwise

import pytest

from headrace_wire.pacing import PAUSES_PER_CALL, Pace, Spent, measure
from support.event_loops import in_event_loop

#: What each call takes, in seconds of processor time.
LONG = 0.01


async def be_busy() -> float:
    begun, end = time.monotonic(), time.thread_time() + LONG
    while time.thread_time() < end:
        pass
    return begun


async def answer(number: int) -> int:
    return number


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
    assert await pace.take("modest", "jobs", partial(answer, 1)) == 1
    assert await pace.take("greedy", "workers", partial(answer, 2)) == 2
    assert sum(task.done() for task in greedy) < 10
    for task in greedy:
        task.cancel()
    await asyncio.wait(greedy)


@in_event_loop
async def test_short_calls_do_not_wait_and_errors_go_through() -> None:
    pace = Pace()

    async def fail() -> None:
        raise ValueError("no")

    for _ in range(200):
        with pytest.raises(ValueError, match="no"):
            await pace.take("k", "jobs", fail)
    assert await pace.take("k", "jobs", partial(answer, 3)) == 3


@in_event_loop
async def test_what_others_do_while_a_call_waits_is_not_its_own() -> None:
    spent = Spent()

    async def look() -> int:  # a task is of a coroutine that is not made from a generator
        return await measure(asyncio.sleep(0.001, 5), spent)

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    await be_busy()
    assert await looking == 5
    assert 0 < spent.seconds < LONG
    busy = Spent()
    await measure(be_busy(), busy)
    assert busy.seconds >= LONG


@in_event_loop
async def test_a_call_that_waits_can_be_cancelled() -> None:
    pace = Pace()
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("it knows")

    waiting = asyncio.create_task(pace.take("k", "jobs", wait))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == ["it knows"]
    assert await pace.take("k", "jobs", partial(answer, 4)) == 4


@in_event_loop
async def test_turns_are_forgotten_when_their_pause_is_over() -> None:
    """Every job's token is a key of its own."""
    pace = Pace()
    for number in range(20):
        await pace.take(f"job{number}", "names", partial(answer, number))
    begun = await asyncio.gather(*(pace.take("greedy", "jobs", be_busy) for _ in range(2)))
    assert begun[1] - begun[0] >= (1 + PAUSES_PER_CALL) * LONG - 0.002
    await pace.take("greedy", "jobs", partial(answer, 0))  # after one more
    async with asyncio.timeout(30):
        while len(pace):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(LONG)
