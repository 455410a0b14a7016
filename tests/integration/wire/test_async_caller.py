"""Calls from an event loop: what comes between them and their answers, and what is told."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from headrace_wire import async_caller
from headrace_wire.api import JobQueueApi
from headrace_wire.connection import IDLE_CONNECTIONS
from headrace_wire.errors import (
    BoundsError,
    ClosedError,
    UnknownJobError,
    UnreachableError,
    UsageError,
)
from headrace_wire.timeouts import Limit
from support.async_calls import ask, begin, open_caller, reach
from support.event_loops import cancel, in_event_loop, until
from support.wire_server import PATIENCE_SECONDS, Served, answer_at_gate, answer_by_name, serve

if TYPE_CHECKING:
    from headrace_wire.messages.jobs import JobStatus


@pytest.fixture
def served(served: Served) -> Served:
    answer_by_name(served)
    return served


@in_event_loop
async def test_one_call_after_the_other_shares_a_connection(served: Served) -> None:
    with open_caller(served.address) as caller:
        assert [await ask(caller, job) for job in ("one", "two", "three")] == [
            "one",
            "two",
            "three",
        ]
        assert served.count_sessions() == 1
    await until(lambda: not served.count_sessions())


@in_event_loop
async def test_while_a_call_waits_others_go_on(served: Served) -> None:
    gate = answer_at_gate(served)
    with open_caller(served.address) as caller:
        waiting = begin(caller, "one")
        await reach(gate)
        assert await caller.call(JobQueueApi.jobs)
        assert not waiting.done()
        gate.open()
        assert await waiting == "one"


@in_event_loop
async def test_connections_that_are_not_needed_any_more_are_closed_but_for_one(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_caller, "SPARE_SECONDS", 0.05)
    gate = answer_at_gate(served)
    with open_caller(served.address) as caller:
        calls = [begin(caller, "a"), begin(caller, "b"), begin(caller, "c")]
        await until(lambda: gate.waiting == 3)
        assert served.count_sessions() == 3
        gate.open()
        await asyncio.gather(*calls)
        await until(lambda: served.count_sessions() == 1)
        assert await caller.call(JobQueueApi.jobs)  # by the one that is left
        assert served.count_sessions() == 1


@in_event_loop
async def test_no_thread_waits_for_calls_that_wait(served: Served) -> None:
    gate = answer_at_gate(served)
    calls = 3 * IDLE_CONNECTIONS
    with open_caller(served.address) as caller:
        before = threading.active_count()
        waiting = [begin(caller, f"job {number}") for number in range(calls)]
        while gate.waiting < calls:  # noqa: ASYNC110 - the server has a thread of its own
            await asyncio.sleep(0.01)
        assert threading.active_count() <= before
        gate.open()
        assert await asyncio.gather(*waiting) == [f"job {number}" for number in range(calls)]
        await until(lambda: served.count_sessions() == IDLE_CONNECTIONS)
        answer_by_name(served)
        assert await ask(caller, "again") == "again"


@in_event_loop
async def test_large_requests_and_answers_come_whole(served: Served) -> None:
    size = 32 << 20
    sizes: list[int] = []

    def take(job: str, start: int, inputs: bytes) -> int:
        del job
        sizes.append(len(inputs))
        return start

    served.jobs.answers["put"] = take
    served.jobs.answers["read"] = lambda _: bytes(size)
    with open_caller(served.address) as caller:
        assert await caller.call(JobQueueApi.put, "job", 7, bytes(size)) == 7
        assert await caller.call(JobQueueApi.read, "job") == bytes(size)
    assert sizes == [size]


@in_event_loop
async def test_what_the_answer_says_is_raised_and_the_connection_kept(served: Served) -> None:
    errors = {"unknown": UnknownJobError("no job"), "bounds": BoundsError("too large")}

    def fail(job: str) -> JobStatus:
        raise errors[job]

    served.jobs.answers["status"] = fail
    with open_caller(served.address, patience_seconds=PATIENCE_SECONDS) as caller:
        for job, error in errors.items():
            with pytest.raises(type(error), match=str(error)):
                await ask(caller, job)
        assert served.count_sessions() == 1


@in_event_loop
async def test_a_message_over_the_cap_is_never_sent(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_wire.connection.MAX_FRAME_BYTES", 1000)
    with open_caller(served.address) as caller, pytest.raises(UsageError, match="too large"):
        await caller.call(JobQueueApi.put, "job", 0, bytes(1000))
    assert not served.jobs.calls


@in_event_loop
async def test_a_call_that_is_cancelled_ends_its_trying() -> None:
    tried = asyncio.Event()
    with serve() as gone:
        pass
    with open_caller(gone.address, patience_seconds=3600, on_lost=lambda _: tried.set()) as caller:
        waiting = begin(caller, "one")
        await tried.wait()
        await cancel(waiting)


@in_event_loop
async def test_after_one_that_was_cancelled_the_next_call_gets_its_own_answer(
    served: Served,
) -> None:
    gate = answer_at_gate(served)
    with open_caller(served.address) as caller:
        waiting = begin(caller, "one")
        await reach(gate)
        await cancel(waiting)
        await until(lambda: gate.waiting == 0)
        answer_by_name(served)
        assert await ask(caller, "two") == "two"


@in_event_loop
async def test_one_that_is_cancelled_while_it_connects_leaves_no_connection(
    served: Served,
) -> None:
    with open_caller(served.address) as caller:
        for steps in range(40):
            waiting = begin(caller, "one")
            for _ in range(steps):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        caller.close()
        await until(lambda: not served.count_connections())
        assert await ask(caller, "two") == "two"


@in_event_loop
async def test_a_limit_holds_for_a_call_that_hears_nothing(served: Served) -> None:
    answer_at_gate(served)
    with (
        open_caller(served.address, patience_seconds=3600) as caller,
        Limit.after(0.1).applied(),
        pytest.raises(UnreachableError, match="timed out"),
    ):
        await ask(caller, "one")


@in_event_loop
async def test_calls_of_a_caller_that_is_closed_for_good_say_so(served: Served) -> None:
    gate = answer_at_gate(served)
    with open_caller(served.address, patience_seconds=3600) as caller:
        waiting = begin(caller, "one")
        await reach(gate)
        caller.close(for_good=True)
        with pytest.raises(ClosedError):
            await waiting
        with pytest.raises(ClosedError):
            await ask(caller, "two")
