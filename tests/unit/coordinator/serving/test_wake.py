"""Calls that wait: nothing that happens between a look and a wait is missed."""

from __future__ import annotations

import asyncio
import time

import pytest

from headrace_coordinator.serving.wake import Waiters
from support.event_loops import cancel, in_event_loop

#: More than anything here takes, in seconds.
LONG = 20.0


@pytest.fixture
def waiters() -> Waiters:
    return Waiters()


def wait(waiters: Waiters, topic: str, *, version: int | None = None) -> asyncio.Task[bool]:
    """Begin to wait for a topic, for long."""
    noted = waiters.version(topic) if version is None else version
    return asyncio.create_task(waiters.wait(topic, noted, time.monotonic() + LONG))


async def settle() -> None:
    """Let what is ready be done."""
    for _ in range(10):
        await asyncio.sleep(0)


@in_event_loop
async def test_who_looked_before_a_topic_was_rung_does_not_wait(waiters: Waiters) -> None:
    version = waiters.version("a")
    waiters.notify("a")
    assert await wait(waiters, "a", version=version)


@in_event_loop
async def test_a_wait_ends_at_its_deadline_and_leaves_no_waiter(waiters: Waiters) -> None:
    assert not await waiters.wait("a", waiters.version("a"), time.monotonic() + 0.01)
    assert not await waiters.wait("a", waiters.version("a"), time.monotonic() - 1)
    assert waiters.count_waiters("a") == 0


@in_event_loop
async def test_a_ring_wakes_everyone_who_waits_for_that_topic_alone(waiters: Waiters) -> None:
    waiting = [wait(waiters, topic) for topic in ("a", "a", "b")]
    await settle()
    assert waiters.count_waiters("a") == 2
    waiters.notify("a")
    assert await waiting[0]
    assert await waiting[1]
    assert not waiting[2].done()
    waiters.forget("b")
    assert await waiting[2]


@in_event_loop
async def test_who_looked_before_a_topic_was_forgotten_does_not_miss_it(waiters: Waiters) -> None:
    version = waiters.version("a")
    waiters.notify("a")
    waiters.forget("a")
    assert await wait(waiters, "a", version=version)


@in_event_loop
async def test_who_is_cancelled_waits_no_more(waiters: Waiters) -> None:
    waiting = wait(waiters, "a")
    await settle()
    await cancel(waiting)
    assert waiters.count_waiters("a") == 0
    waiters.notify("a")


@in_event_loop
async def test_closing_wakes_all_and_lets_nobody_wait_again(waiters: Waiters) -> None:
    waiting = wait(waiters, "a")
    await settle()
    waiters.close()
    assert await waiting is False
    assert not await wait(waiters, "a")


@in_event_loop
async def test_a_ring_between_the_end_of_a_wait_and_the_next_is_not_missed(
    waiters: Waiters,
) -> None:
    async def listen() -> int:
        heard = 0
        version = waiters.version("a")
        while heard < 3:
            assert await waiters.wait("a", version, time.monotonic() + LONG)
            version = waiters.version("a")
            heard += 1
        return heard

    listening = asyncio.create_task(listen())
    while not listening.done():
        waiters.notify("a")
        await asyncio.sleep(0)
    assert await listening == 3


async def listen(waiters: Waiters, heard: list[str], name: str, *, pass_on: bool) -> None:
    version = waiters.version("a")
    while await waiters.wait("a", version, time.monotonic() + LONG):
        version = waiters.version("a")
        heard.append(name)
        if pass_on:
            waiters.pass_on("a")


@in_event_loop
async def test_notify_one_wakes_who_waited_longest_and_goes_on_as_it_is_passed_on(
    waiters: Waiters,
) -> None:
    heard: list[str] = []
    listening = [
        asyncio.create_task(listen(waiters, heard, name, pass_on=name != "second"))
        for name in ("first", "second", "third")
    ]
    await settle()
    waiters.notify_one("a")
    await settle()
    assert heard == ["first", "second"]
    waiters.notify_one("a")
    await settle()
    assert heard == ["first", "second", "third", "first", "second"], "each once, the oldest first"
    waiters.close()
    await asyncio.gather(*listening)


@pytest.mark.parametrize("how", ["before it hears of the ring", "after it was woken"])
@in_event_loop
async def test_notify_one_that_goes_away_is_heard_by_the_next(waiters: Waiters, how: str) -> None:
    first, second = wait(waiters, "a"), None
    await settle()
    second = wait(waiters, "a")
    await settle()
    if how == "before it hears of the ring":
        first.cancel()
        waiters.notify_one("a")
    else:
        waiters.notify_one("a")
        first.cancel()
    assert await second
    await asyncio.wait([first])
    assert first.cancelled()


@in_event_loop
async def test_notify_one_passes_over_who_has_just_waited_long_enough(
    waiters: Waiters,
) -> None:
    version = waiters.version("a")
    late = asyncio.create_task(waiters.wait("a", version, time.monotonic() + 60))
    await settle()
    second = wait(waiters, "a")
    await settle()
    (expired, *_) = waiters._waiting["a"]
    expired.set_result(False)  # its deadline has come, and its task has not run since
    waiters.notify_one("a")
    assert await second
    assert not await late
