"""The state of each task of a job, as runs of tasks or, if there are many, as a picture in cells.

A job may have 10^9 tasks, and a million runs of them. Painting a cell takes a binary search in each
of the places where tasks may be, however many runs are in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from msgspec.structs import replace

from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.ranges import RangeSet
from headrace_wire.messages.job_views import TaskRun, TaskRuns, TaskState

#: The states of tasks, the most urgent last.
BY_URGENCY: tuple[TaskState, ...] = ("done", "cancelled", "waiting", "leased", "retrying", "dead")

_DONE, _CANCELLED, _WAITING, _LEASED, _RETRYING, _DEAD = range(len(BY_URGENCY))


def list_runs(job: Job, leased: RangeSet, start: int, stop: int, limit: int) -> list[TaskRun]:
    """Return the runs of tasks [start, stop) that are in one state; none if there are too many.

    ``leased`` are the job's leased tasks.
    """
    places = [*_list_places(job, leased), (_DONE, job.done)]
    if sum(indices.count_ranges(start, stop) for _, indices in places) > limit:
        return []
    found = sorted(
        (left, right, rank)
        for rank, indices in places
        for left, right in indices.overlap(start, stop)
    )
    rest = BY_URGENCY[_find_rest(job)]
    runs: list[TaskRun] = []
    for left, right, rank in found:
        if start < left:
            runs.append(TaskRun(start, left, rest))
        runs.append(TaskRun(left, right, BY_URGENCY[rank]))
        start = right
    if start < stop:
        runs.append(TaskRun(start, stop, rest))
    return runs if len(runs) <= limit else []


def paint_cells(job: Job, leased: RangeSet, start: int, stop: int, width: int) -> bytearray:
    """Return the most urgent state, as its rank, in each cell of ``width`` of the tasks [start,
    stop).
    """
    cells = bytearray(-(-(stop - start) // width))  # rank 0: all are done
    rest = _find_rest(job)
    for first, last in _walk_gaps(job.done, start, stop, width):
        cells[first:last] = bytes((rest,)) * (last - first)
    for rank, indices in _list_places(job, leased):
        for first, last in _walk_cells(indices, start, stop, width):
            cells[first:last] = bytes((rank,)) * (last - first)
    return cells


def join_cells(cells: bytearray, start: int, stop: int, width: int) -> list[TaskRun]:
    """Return the runs that are shown by cells of ``width`` of the tasks [start, stop)."""
    runs: list[TaskRun] = []
    left = start
    for rank, alike in groupby(cells):
        right = min(stop, left + width * sum(1 for _ in alike))
        runs.append(TaskRun(left, right, BY_URGENCY[rank]))
        left = right
    return runs


def sum_up_runs(job: Job, limit: int) -> TaskRuns:
    """Return the states of all tasks of a final job, in at most ``limit`` runs."""
    leased = RangeSet()
    runs = list_runs(job, leased, 0, job.tasks, limit)
    if runs or not job.tasks:
        return TaskRuns(job.tasks, tuple(runs), merged=False)
    width = -(-job.tasks // limit)
    cells = paint_cells(job, leased, 0, job.tasks, width)
    return TaskRuns(job.tasks, tuple(join_cells(cells, 0, job.tasks, width)), merged=True)


def cut_runs(known: TaskRuns, start: int, stop: int, limit: int) -> TaskRuns:
    """Return the part of known runs that is about tasks [start, stop), in at most ``limit``
    runs.
    """
    stop = min(stop, known.tasks)
    runs = [
        replace(run, start=max(start, run.start), stop=min(stop, run.stop))
        for run in known.runs
        if max(start, run.start) < min(stop, run.stop)
    ]
    if len(runs) <= limit:
        return replace(known, runs=tuple(runs))
    width = -(-(stop - start) // limit)
    cells = bytearray(-(-(stop - start) // width))
    for run in sorted(runs, key=lambda run: BY_URGENCY.index(run.state)):
        first, last = (run.start - start) // width, (run.stop - 1 - start) // width + 1
        cells[first:last] = bytes((BY_URGENCY.index(run.state),)) * (last - first)
    return TaskRuns(known.tasks, tuple(join_cells(cells, start, stop, width)), merged=True)


def _list_places(job: Job, leased: RangeSet) -> list[tuple[int, RangeSet]]:
    """Return the places of tasks that have no value and do not just wait, the most urgent last."""
    return [(_LEASED, leased), (_RETRYING, job.delayed.indices), (_DEAD, job.dead)]


def _find_rest(job: Job) -> int:
    """Return the state of the tasks that are in no other place."""
    return _CANCELLED if job.is_final else _WAITING


def _walk_cells(indices: RangeSet, start: int, stop: int, width: int) -> Iterator[tuple[int, int]]:
    """Iterate over the cells that contain some of these tasks, as [first, last)."""
    index = start
    while index < stop and (found := indices.next_range(index)):
        left, right = max(index, found[0]), min(stop, found[1])
        if left >= stop:
            break
        last = (right - 1 - start) // width + 1
        yield (left - start) // width, last
        index = start + last * width


def _walk_gaps(indices: RangeSet, start: int, stop: int, width: int) -> Iterator[tuple[int, int]]:
    """Iterate over the cells that contain tasks other than these, as [first, last)."""
    index = start
    while (index := indices.next_missing(index)) < stop:
        found = indices.next_range(index)
        right = min(stop, found[0]) if found else stop
        last = (right - 1 - start) // width + 1
        yield (index - start) // width, last
        index = start + last * width
