"""Looks at a job through the served queue, while others have their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from headrace_coordinator import failure_kinds
from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving import failure_groups, job_views
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.job_views import JobViews
from headrace_coordinator.serving.result_queue import ResultQueue
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.store.store import Store
from headrace_wire.errors import UnknownJobError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import NO_TIMES, FailureGroups, TaskRun, TaskRuns
from headrace_wire.messages.jobs import JobFilter
from headrace_wire.messages.logs import LogPage, LogRequest
from support.loop_thread import LoopThread
from support.queue_builders import make_spec


class Site:
    """A served job queue over a store."""

    def __init__(self, folder: Path, calls: LoopThread) -> None:
        self.calls = calls
        self.store = Store(folder / "store")
        self.ledger = Ledger(self.store, Rules())
        waiters = Waiters()
        self.jobs = JobQueue(self.ledger, waiters, 15.0)
        self.results = ResultQueue(self.ledger, waiters)

    def submit(self, tasks: int) -> None:
        self.calls.answer(self.jobs.submit(make_spec("job", tasks)))

    def scatter(self, tasks: int, step: int) -> None:
        """Let each so many-th task of the job be done, and none of the others leased."""

        def change(queue: Queue, _: Now) -> None:
            done = RangeSet((index, index + 1) for index in range(0, tasks, step))
            queue.state.jobs["job"].done = done

        self.ledger.observe(change)

    def find_runs(self, start: int, stop: int, limit: int) -> TaskRuns:
        return self.calls.answer(self.jobs.task_runs("job", start, stop, limit))

    def fail(self, *failures: TaskFailure) -> None:
        """Let tasks of the job be dead."""

        def change(queue: Queue, now: Now) -> None:
            job = queue.state.jobs["job"]
            for failure in failures:
                job.forget_waiting(failure.index, failure.index + 1)
                queue.state.accept_death(job, failure)
            queue.state.change(job, now)

        self.ledger.commit_now(change)

    def find_groups(self) -> FailureGroups:
        return self.calls.answer(self.results.failure_groups("job"))


def make_failure(index: int, message: str, worker: str = "w", **fields: Any) -> TaskFailure:
    return TaskFailure(
        0, "job", index, 1, "error", "", "ValueError", message, f"lines of {index}",
        f"task {index}", worker, **fields,
    )  # fmt: skip


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


def test_a_picture_that_takes_long_is_kept_for_a_moment(site: Site) -> None:
    site.submit(10_000)
    site.scatter(10_000, 2)
    slow = JobViews(site.ledger, count(0.0).__next__)  # each look takes a second

    def find(limit: int = 100) -> TaskRuns:
        return site.calls.answer(slow.find_task_runs("job", 0, 10_000, limit))

    first = find()
    site.scatter(10_000, 3)
    assert find() is first
    assert find(99) is not first, "who wants another one does not get this"
    for limit in range(2 * job_views.MOST_KEPT):
        find(limit)
    assert find() is not first, "so many are kept"
    kept = find()
    site.calls.answer(site.jobs.cancel("job"))
    ended = find()
    assert ended is not kept, "what is not so any more is not shown"
    assert ended.runs[0].state == "cancelled"
    site.calls.answer(site.jobs.delete("job"))
    with pytest.raises(UnknownJobError):
        find()


def test_a_picture_that_is_quickly_made_is_made_anew(site: Site) -> None:
    site.submit(10)
    quick = JobViews(site.ledger, lambda: 0.0)
    before = site.calls.answer(quick.find_task_runs("job", 0, 10, 5))
    site.fail(make_failure(3, "no"))
    assert site.calls.answer(quick.find_task_runs("job", 0, 10, 5)) != before


def test_the_tasks_of_a_job_that_is_unknown_are_unknown(site: Site) -> None:
    with pytest.raises(UnknownJobError, match="there is no job 'job'"):
        site.find_runs(0, 1, 1)


def test_failures_are_grouped_by_what_they_have_in_common(site: Site) -> None:
    site.submit(100)
    assert site.find_groups() == FailureGroups((), 0)
    site.fail(*(make_failure(index, f"no shop {index}", f"w{index % 3}") for index in (9, 4, 7)))
    site.fail(make_failure(8, "no money"))
    found = site.find_groups()
    assert (found.looked_at, found.kinds) == (4, 2)
    assert [(one.count, one.first, one.last) for one in found.groups] == [(3, 4, 9), (1, 8, 8)]
    alike = found.groups[0]
    assert (alike.reason, alike.error_type, alike.message) == ("error", "ValueError", "no shop 4")
    assert (alike.traceback, alike.summary) == ("lines of 4", "task 4")
    assert sorted(alike.workers) == ["w0", "w1"]
    # What comes later is added to that, and what runs again is taken away.
    site.fail(make_failure(3, "no money"), make_failure(2, "no money"), make_failure(1, "no money"))
    found = site.find_groups()
    assert [(one.count, one.first) for one in found.groups] == [(4, 1), (3, 4)]
    site.calls.answer(site.jobs.replay("job", (7, 9)))
    assert [(one.count, one.last) for one in site.find_groups().groups] == [(4, 8), (1, 4)]


def test_the_first_failures_of_very_many_are_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure_groups, "MOST_READ", 250)
    monkeypatch.setattr(failure_kinds, "MOST_KINDS", 3)
    words = ["red", "green", "blue", "black"]
    site.submit(400)
    site.fail(*(make_failure(index, words[index % 4]) for index in range(300)))
    found = site.find_groups()
    assert found.looked_at == 250
    assert [(one.message, one.count) for one in found.groups] == [
        ("red", 63), ("green", 63), ("blue", 62),
    ]  # fmt: skip


def test_the_failures_of_a_job_that_is_deleted_are_forgotten(site: Site) -> None:
    site.submit(10)
    site.fail(make_failure(1, "no"))
    assert site.find_groups().looked_at == 1
    site.calls.answer(site.jobs.delete("job"))
    with pytest.raises(UnknownJobError):
        site.find_groups()
    site.submit(10)
    assert site.find_groups() == FailureGroups((), 0)


def expire(site: Site) -> None:
    """Let the job end and expire."""
    site.calls.answer(site.jobs.cancel("job"))

    def pass_time(queue: Queue, now: Now) -> None:
        queue.state.jobs["job"].heard = queue.state.jobs["job"].ended = -1e9
        queue.tick(now)

    site.ledger.commit_now(pass_time)


def test_a_job_that_has_expired_is_known_by_its_summary_until_it_is_deleted(site: Site) -> None:
    site.submit(10)
    site.fail(make_failure(3, "no"))
    groups = site.find_groups()
    expire(site)
    status = site.jobs.status("job")
    assert (status.state, status.expired, status.failed) == ("cancelled", True, 1)
    assert site.find_groups() == groups
    assert site.jobs.task_times("job") == NO_TIMES
    past = JobFilter(past=True)
    assert site.calls.answer(site.jobs.jobs(chosen=past)) == (status,)
    assert site.calls.answer(site.jobs.jobs(status.number, chosen=past)) == ()
    assert site.calls.answer(site.jobs.count_jobs(past)) == 1
    assert site.calls.answer(site.jobs.jobs()) == ()
    assert site.jobs.match("jo") == ("job",)
    runs = (TaskRun(0, 3, "cancelled"), TaskRun(3, 4, "dead"), TaskRun(4, 10, "cancelled"))
    assert site.find_runs(0, 99, 9) == TaskRuns(10, runs, merged=False)
    lists: list[Callable[..., Any]] = [site.jobs.progress, site.jobs.slowest, site.jobs.running]
    assert [look("job", 1) for look in lists] == [(), (), ()]
    assert site.results.failures("job", 0, 1) == ()
    logs = site.results.logs(LogRequest("job", 7, 10.0))
    assert site.calls.answer(logs) == LogPage((), 7, 0, complete=True)
    with pytest.raises(UnknownJobError):
        site.calls.answer(site.jobs.retry("job"))
    site.calls.answer(site.jobs.delete("job"))
    assert site.calls.answer(site.jobs.count_jobs(past)) == 0
    with pytest.raises(UnknownJobError):
        site.jobs.status("job")


def test_a_job_hides_an_earlier_one_of_its_id(site: Site) -> None:
    site.submit(10)
    expire(site)
    site.submit(10)
    assert not site.jobs.status("job").expired
    site.calls.answer(site.jobs.delete("job"))
    with pytest.raises(UnknownJobError):
        site.jobs.status("job")
