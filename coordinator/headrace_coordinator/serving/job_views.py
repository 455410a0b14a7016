"""Looks at one job that would keep the event loop from others if they were made in one go."""

from __future__ import annotations

import asyncio
from functools import partial

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.task_runs import join_cells, list_runs, paint_cells
from headrace_wire.bounds import MAX_TASK_RUNS
from headrace_wire.job_views import TaskRun, TaskRuns

#: Cells that are painted before others have their turn.
CELLS_AT_ONCE = 2000


class JobViews:
    """Looks at a ledger's jobs, in the event loop's thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def find_task_runs(self, job_id: str, start: int, stop: int, limit: int) -> TaskRuns:
        """How tasks [start, stop) of a job stand, in so many runs at most."""
        limit = max(1, min(limit, MAX_TASK_RUNS))

        def look(queue: Queue, _: Now) -> tuple[int, RangeSet, list[TaskRun]]:
            job = queue.state.find(job_id)
            leased = job.find_leased()
            end = min(stop, job.tasks)
            return job.tasks, leased, list_runs(job, leased, start, end, limit)

        tasks, leased, runs = self._ledger.observe(look)
        stop = min(stop, tasks)
        if runs or start >= stop:
            return TaskRuns(tasks, tuple(runs), merged=False)
        width = -(-(stop - start) // limit)
        cells = bytearray()
        for left in range(start, stop, CELLS_AT_ONCE * width):
            right = min(stop, left + CELLS_AT_ONCE * width)
            cells += self._ledger.observe(
                partial(_paint, job_id=job_id, leased=leased, span=(left, right), width=width)
            )
            await asyncio.sleep(0)
        return TaskRuns(tasks, tuple(join_cells(cells, start, stop, width)), merged=True)


def _paint(
    queue: Queue, _: Now, *, job_id: str, leased: RangeSet, span: tuple[int, int], width: int
) -> bytearray:
    return paint_cells(queue.state.find(job_id), leased, *span, width)
