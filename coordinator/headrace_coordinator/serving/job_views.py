"""Views of one job that take too long to be made in one step of the event loop.

The result is cached for a while, because a page may be open in many browsers, and each requests a
picture of the job's tasks once a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.task_runs import join_cells, list_runs, paint_cells
from headrace_wire.bounds import MAX_TASK_RUNS
from headrace_wire.messages.job_views import TaskRun, TaskRuns
from headrace_wire.messages.jobs import State

#: How many cells are painted before others get their turn.
CELLS_AT_ONCE = 2000

#: How long a picture is cached, as a multiple of the time that it took to make, and at most in
#: seconds. A picture that took less than the last number of seconds is not cached.
KEPT_PER_SECOND = 20.0
LONGEST_KEPT_SECONDS = 2.0
QUICK_SECONDS = 0.002

#: How many pictures are cached.
MOST_KEPT = 10

#: What a picture shows: the job, [start, stop) and the number of runs.
View = tuple[str, int, int, int]


class _Kept(Struct, frozen=True):
    """A picture, the state of the job in it, and until when it may be used."""

    runs: TaskRuns
    state: State
    until: float


class JobViews:
    """Makes views of a ledger's jobs, in the event loop's thread."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.thread_time) -> None:
        self._ledger = ledger
        self._clock = clock
        self._turn = asyncio.Lock()
        self._kept: dict[View, _Kept] = {}

    async def find_task_runs(self, job_id: str, start: int, stop: int, limit: int) -> TaskRuns:
        """Return the states of tasks [start, stop) of a job, in at most ``limit`` runs.

        If this takes long, it may be the states of a moment ago, when the job was in the same
        state. Raises UnknownJobError.
        """
        view = (job_id, start, stop, max(1, min(limit, MAX_TASK_RUNS)))
        if known := self._find_kept(view):
            return known
        async with self._turn:
            return self._find_kept(view) or await self._make(view)

    def _find_kept(self, view: View) -> TaskRuns | None:
        state = self._ledger.observe(lambda queue, _: queue.state.find(view[0]).state)
        kept = self._kept.get(view)
        fits = kept and kept.state == state and time.monotonic() < kept.until
        return kept.runs if kept and fits else None

    async def _make(self, view: View) -> TaskRuns:
        job_id, start, stop, limit = view
        begun = self._clock()

        def look(queue: Queue, _: Now) -> tuple[State, int, RangeSet, list[TaskRun]]:
            job = queue.state.find(job_id)
            leased = job.find_leased()
            end = min(stop, job.tasks)
            return job.state, job.tasks, leased, list_runs(job, leased, start, end, limit)

        state, tasks, leased, listed = self._ledger.observe(look)
        took = self._clock() - begun
        stop = min(stop, tasks)
        if listed or start >= stop:
            runs = TaskRuns(tasks, tuple(listed), merged=False)
        else:
            width = -(-(stop - start) // limit)
            cells = bytearray()
            for left in range(start, stop, CELLS_AT_ONCE * width):
                await asyncio.sleep(0)
                begun = self._clock()
                right = min(stop, left + CELLS_AT_ONCE * width)
                paint = partial(
                    _paint, job_id=job_id, leased=leased, span=(left, right), width=width
                )
                cells += self._ledger.observe(paint)
                took += self._clock() - begun
            runs = TaskRuns(tasks, tuple(join_cells(cells, start, stop, width)), merged=True)
        if took > QUICK_SECONDS:
            self._keep(view, runs, state, took)
        return runs

    def _keep(self, view: View, runs: TaskRuns, state: State, took: float) -> None:
        now = time.monotonic()
        others = {seen: kept for seen, kept in self._kept.items() if now < kept.until}
        others.pop(view, None)
        while len(others) >= MOST_KEPT:
            del others[next(iter(others))]
        until = now + min(KEPT_PER_SECOND * took, LONGEST_KEPT_SECONDS)
        self._kept = {**others, view: _Kept(runs, state, until)}


def _paint(
    queue: Queue, _: Now, *, job_id: str, leased: RangeSet, span: tuple[int, int], width: int
) -> bytearray:
    return paint_cells(queue.state.find(job_id), leased, *span, width)
