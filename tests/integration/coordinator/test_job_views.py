"""Looks at a job through the served queue, while others have their turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.store.store import Store
from headrace_wire.errors import UnknownJobError
from headrace_wire.job_views import TaskRun, TaskRuns
from support.loop_thread import LoopThread
from support.queue_builders import make_spec


class Site:
    """A served job queue over a store."""

    def __init__(self, folder: Path, calls: LoopThread) -> None:
        self.calls = calls
        self.store = Store(folder / "store")
        self.ledger = Ledger(self.store, Rules())
        self.jobs = JobQueue(self.ledger, Waiters(), 15.0)

    def submit(self, tasks: int) -> None:
        self.calls.answer(self.jobs.submit(make_spec("job", tasks)))

    def scatter(self, tasks: int, step: int) -> None:
        """Let each so many-th task of the job be done, and none of the others leased."""

        def change(queue: Any, _: object) -> None:
            done = RangeSet((index, index + 1) for index in range(0, tasks, step))
            queue.state.jobs["job"].done = done

        self.ledger.observe(change)

    def find_runs(self, start: int, stop: int, limit: int) -> TaskRuns:
        return self.calls.answer(self.jobs.task_runs("job", start, stop, limit))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with LoopThread() as calls:
        opened = Site(tmp_path, calls)
        yield opened
    opened.store.close()


def test_few_runs_come_as_they_are(site: Site) -> None:
    site.submit(100)
    site.scatter(100, 50)
    found = site.find_runs(0, 10**6, 10)
    assert found == TaskRuns(
        100,
        (
            TaskRun(0, 1, "done"),
            TaskRun(1, 50, "waiting"),
            TaskRun(50, 51, "done"),
            TaskRun(51, 100, "waiting"),
        ),
        merged=False,
    )
    assert site.find_runs(50, 51, 1) == TaskRuns(100, (TaskRun(50, 51, "done"),), merged=False)
    assert site.find_runs(100, 200, 5) == TaskRuns(100, (), merged=False)
    assert site.find_runs(7, 3, 5) == TaskRuns(100, (), merged=False)


def test_many_runs_are_merged_into_as_many_as_were_asked_for(site: Site) -> None:
    site.submit(10_000)
    site.scatter(5_000, 2)  # and the second half waits
    found = site.find_runs(0, 10_000, 3_000)
    assert found.merged
    assert found.runs == (TaskRun(0, 10_000, "waiting"),), "of done and waiting tasks, the waiting"
    assert site.find_runs(0, 10_000, 0).runs == (TaskRun(0, 10_000, "waiting"),)
    exact = site.find_runs(4_000, 6_000, 20_000)
    assert not exact.merged
    assert (len(exact.runs), exact.runs[-1]) == (1000, TaskRun(4_999, 6_000, "waiting"))


def test_the_tasks_of_a_job_that_is_unknown_are_unknown(site: Site) -> None:
    with pytest.raises(UnknownJobError, match="there is no job 'job'"):
        site.find_runs(0, 1, 1)
