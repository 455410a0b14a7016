"""Where a job's tasks stand, exactly or as a picture, against a list of them all."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.task_runs import (
    BY_URGENCY,
    cut_runs,
    join_cells,
    list_runs,
    paint_cells,
    sum_up_runs,
)
from headrace_wire.messages.job_views import TaskRun, TaskState
from headrace_wire.messages.jobs import CANCELLED, RUNNING
from support.queue_builders import Rig, make_spec

TASKS = 60

states = st.lists(st.sampled_from(["rest", "done", "dead", "leased", "retrying"]), min_size=TASKS,
                  max_size=TASKS)  # fmt: skip
windows = st.tuples(st.integers(0, TASKS), st.integers(0, TASKS))


def build(kinds: list[str], *, final: bool) -> tuple[Job, RangeSet, list[TaskState]]:
    """A job whose tasks stand so, its leased tasks, and the state of each task."""
    job = Job(make_spec(tasks=len(kinds)), 0.0, tasks=len(kinds), sealed=True)
    job.state = CANCELLED if final else RUNNING
    leased = RangeSet()
    expected: list[TaskState] = []
    for index, kind in enumerate(kinds):
        state: TaskState = CANCELLED if final else "waiting"
        match kind:
            case "done" | "dead":
                state = kind
                (job.done if state == "done" else job.dead).add(index, index + 1)
            case "leased" | "retrying" if not final:
                state = kind
                if kind == "leased":
                    leased.add(index, index + 1)
                else:
                    job.delayed.add(1.0, index, 1)
        expected.append(state)
    return job, leased, expected


def spread(runs: list[TaskRun]) -> list[TaskState]:
    return [run.state for run in runs for _ in range(run.start, run.stop)]


@given(states, windows, st.booleans())
def test_runs_are_those_of_all_tasks(
    kinds: list[str], window: tuple[int, int], final: bool
) -> None:
    job, leased, expected = build(kinds, final=final)
    runs = list_runs(job, leased, *window, TASKS)
    assert spread(runs) == expected[slice(*window)]
    assert all(left.stop == right.start for left, right in pairwise(runs))
    assert all(left.state != right.state for left, right in pairwise(runs))
    if len(runs) > 1:
        assert list_runs(job, leased, *window, len(runs) - 1) == []


@given(states, windows, st.integers(1, 9), st.booleans())
def test_a_cell_is_in_the_most_urgent_state_of_its_tasks(
    kinds: list[str], window: tuple[int, int], width: int, final: bool
) -> None:
    job, leased, expected = build(kinds, final=final)
    start, stop = min(window), max(window)
    cells = paint_cells(job, leased, start, stop, width)
    for number, rank in enumerate(cells):
        left = start + number * width
        tasks = expected[left : min(stop, left + width)]
        assert rank == max(BY_URGENCY.index(state) for state in tasks)
    runs = join_cells(cells, start, stop, width)
    assert len(spread(runs)) == stop - start
    assert all(left.stop == right.start for left, right in pairwise(runs))


@given(states, windows, st.integers(1, 70), st.integers(1, 9))
def test_what_is_kept_of_a_job_tells_of_every_window(
    kinds: list[str], window: tuple[int, int], kept: int, limit: int
) -> None:
    job, _, expected = build(kinds, final=True)
    known = sum_up_runs(job, kept)
    assert len(known.runs) <= kept
    assert len(spread([*known.runs])) == TASKS
    if not known.merged:
        assert spread([*known.runs]) == expected
    start, stop = min(window), max(window)
    found = cut_runs(known, start, stop if stop < TASKS else 10**9, limit)
    assert found.tasks == TASKS
    assert len(found.runs) <= limit
    shown = spread([*found.runs])
    assert len(shown) == stop - start
    for state, true in zip(shown, expected[start:stop], strict=True):
        assert BY_URGENCY.index(state) >= BY_URGENCY.index(true)


def test_a_job_of_any_size_has_the_runs_that_its_tasks_are_in() -> None:
    rig = Rig()
    rig.join()
    rig.submit(tasks=10**15, retries=3)
    lease, *_ = rig.lease()
    rig.finish(lease, 0, 1)
    job = rig.queue.state.jobs["job"]
    leased = job.find_leased()
    runs = list_runs(job, leased, 0, job.tasks, 10)
    assert runs[0] == TaskRun(0, 1, "done")
    assert runs[-1].stop == 10**15
    cells = paint_cells(job, leased, 0, job.tasks, 10**13)
    assert {BY_URGENCY[rank] for rank in cells} == {"leased", "waiting"}


def test_a_million_runs_cost_no_more_than_the_cells_of_the_picture() -> None:
    job = Job(make_spec(), 0.0, tasks=4 * 10**6, sealed=True)
    job.done = RangeSet((index, index + 1) for index in range(0, job.tasks, 8))
    job.dead = RangeSet((index, index + 1) for index in range(4, job.tasks, 8))
    began = time.process_time()
    assert list_runs(job, RangeSet(), 0, job.tasks, 20_000) == []
    assert set(paint_cells(job, RangeSet(), 0, job.tasks, job.tasks // 2000)) == {5}
    assert time.process_time() - began < 0.2, "about 4 ms on an idle machine"
