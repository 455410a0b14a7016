"""A crowd of calls, and others that come meanwhile."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from headrace_wire.turn_limit import TURN_SECONDS, TurnLimit
from support.event_loops import in_event_loop

#: Calls that come at once.
CROWD = 150

#: What each takes, in seconds of processor time: turns are long enough for as few as there may be.
LONG = TURN_SECONDS / 8


def be_busy(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def make_call(limit: TurnLimit, done: list[int], number: int, seconds: float = 0.0) -> None:
    if not limit.enter():
        await limit.wait()
    be_busy(seconds)
    done.append(number)


@in_event_loop
async def test_calls_that_take_nothing_do_not_wait() -> None:
    limit, done = TurnLimit(), list[int]()
    for number in range(10):
        assert limit.enter(), number
        await asyncio.sleep(0)
    calls = [asyncio.create_task(make_call(limit, done, number)) for number in range(10)]
    await asyncio.sleep(0)
    assert done == [*range(10)]
    await asyncio.gather(*calls)


@in_event_loop
async def test_a_crowd_of_calls_is_carried_out_in_its_order_a_few_in_each_turn() -> None:
    limit, done = TurnLimit(), list[int]()
    calls = [asyncio.create_task(make_call(limit, done, number, LONG)) for number in range(CROWD)]
    steps = [0]
    while len(done) < CROWD:
        await asyncio.sleep(0)
        steps.append(len(done))
    assert done == [*range(CROWD)]
    # What they cost is known after a while; until then there are more of them.
    first, second, *later = [after - before for before, after in pairwise(steps) if after > before]
    assert later
    assert second <= first / 2
    await asyncio.gather(*calls)


@in_event_loop
async def test_callers_that_go_while_they_wait_leave_their_turn_to_others() -> None:
    limit, done = TurnLimit(), list[int]()
    calls = [asyncio.create_task(make_call(limit, done, number)) for number in range(CROWD)]
    await asyncio.sleep(0)
    begun = len(done)
    assert begun < CROWD
    for call in calls[begun:-1]:
        call.cancel()
    await asyncio.wait(calls)
    assert done == [*range(begun), CROWD - 1]
    assert limit.enter()
