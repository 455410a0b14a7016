"""Reports under way: one at a time to a near coordinator, several to one that is far away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

from headrace_wire.api import ResultQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.messages.leases import Lease
from headrace_wire.messages.reports import DoneSpan, Receipt, Report, ReturnedSpan
from headrace_wire.round_trip import FIRST_MEASUREMENTS, RoundTrip
from headrace_wire.window import MOST_CALLS, Window
from headrace_worker.holdings import Holdings
from headrace_worker.link.messages import TaskLine
from headrace_worker.pool.tally import Tally
from headrace_worker.reporter import MAX_REPORT_BYTES, Reporter
from support.queue_builders import make_worker


class Results:
    """A result queue that answers when the test says so."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._answers: list[asyncio.Future[Receipt]] = []

    async def call(self, method: object, report: Report) -> Receipt:
        del method
        self.reports.append(report)
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        return await answer

    def answer(self, number: int) -> None:
        self._answers[number].set_result(Receipt(1, 0))


def make_reporter(results: Results, round_trip: float) -> Reporter:
    way = RoundTrip()
    for _ in range(FIRST_MEASUREMENTS):
        way.note(round_trip)
    caller = cast("AsyncCaller[ResultQueueApi]", results)
    window = Window(way, MOST_CALLS if round_trip else 1)
    return Reporter(caller, make_worker(), Holdings(), Tally(), asyncio.Event(), window)


def make_outcome(index: int, job: str = "job", size: int = 10) -> DoneSpan:
    return DoneSpan(1, job, index, index + 1, bytes(size), 0.0, 0.0, {})


def run(round_trip: float, test: Callable[[Reporter, Results], Coroutine[Any, Any, None]]) -> None:
    async def live() -> None:
        results = Results()
        reporter = make_reporter(results, round_trip)
        running = asyncio.ensure_future(reporter.run())
        try:
            await test(reporter, results)
        finally:
            running.cancel()

    asyncio.run(live())


async def settle() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


def test_to_a_near_coordinator_one_report_is_under_way() -> None:
    async def test(reporter: Reporter, results: Results) -> None:
        for index in range(4):
            reporter.add([make_outcome(index, size=MAX_REPORT_BYTES)])
            await settle()
        assert len(results.reports) == 1
        results.answer(0)
        await settle()
        assert len(results.reports) == 2

    run(0.0, test)


def test_to_a_far_one_there_are_more_as_long_as_there_is_much_to_report() -> None:
    async def test(reporter: Reporter, results: Results) -> None:
        for index in range(2 * MOST_CALLS):
            reporter.add([make_outcome(index, size=MAX_REPORT_BYTES)])
            await settle()
        assert len(results.reports) == MOST_CALLS
        for number in reversed(range(MOST_CALLS)):  # they come in any order
            results.answer(number)
        await settle()
        assert len(results.reports) == 2 * MOST_CALLS
        for number in range(MOST_CALLS, 2 * MOST_CALLS):
            results.answer(number)
        assert await reporter.finish(time.monotonic() + 20)
        assert reporter.pending_bytes == 0
        numbers = [report.number for report in results.reports]
        assert numbers == sorted(set(numbers))

    run(10.0, test)


def test_a_report_shows_the_leases_that_it_is_about() -> None:
    async def test(reporter: Reporter, results: Results) -> None:
        leases = [
            Lease(number, job, "calls", "map", b"", 0, 4, 1, None, (), proof=f"proof {number}")
            for number, job in ((1, "job"), (2, "job"), (3, "talks"))
        ]
        reporter.holdings.take(leases, 1)
        reporter.add_lines([TaskLine("talks", 0, 1, 0.0, "print", "a line")])
        reporter.add([make_outcome(0), make_outcome(1), ReturnedSpan(2, "job", 0, 4)])
        await settle()
        (report,) = results.reports
        assert [run.proof for run in report.held] == ["proof 1", "proof 2", "proof 3"]

    run(0.0, test)


def test_outcomes_wait_for_the_lines_of_their_job_that_are_on_their_way() -> None:
    async def test(reporter: Reporter, results: Results) -> None:
        reporter.add_lines([TaskLine("talks", 0, 1, 0.0, "print", "a line")])
        reporter.add([make_outcome(0, "other")])
        await settle()
        assert [log.job for log in results.reports[0].logs] == ["talks"]
        reporter.add([make_outcome(1, "other", MAX_REPORT_BYTES)])
        reporter.add([make_outcome(0, "talks", MAX_REPORT_BYTES)])
        await settle()
        told = [span.job for report in results.reports for span in report.done]
        assert told == ["other", "other"]
        results.answer(0)
        await settle()
        assert [span.job for span in results.reports[-1].done] == ["talks"]

    run(10.0, test)
