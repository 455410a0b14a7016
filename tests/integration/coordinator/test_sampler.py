"""The coordinator's figures, now and over time, read from a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.sampler import Sampler
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report, ReturnedSpan
from headrace_wire.messages.views import STEP_SECONDS, STEPS_KEPT
from headrace_wire.version import VERSION
from support.queue_builders import make_spec, make_worker


class Watched:
    """A ledger that is looked at by a clock that stands until it is moved."""

    def __init__(self, path: Path, *, private: bool = False) -> None:
        self.seconds = 1000.0
        self.store = Store(path)
        self.ledger = Ledger(self.store, Rules())
        self.sampler = Sampler(
            self.ledger, lambda: self.seconds, lambda: self.seconds, private=private
        )
        self.ledger.listen(self.sampler.note)
        self._requests = 0

    def go(self, seconds: float, *, ticks: int = 1) -> None:
        """Let time pass, with as many ticks."""
        for _ in range(ticks):
            self.seconds += seconds / ticks
            self.sampler.sample()

    def submit(self, job: str = "job", by: str = "", **fields: Any) -> None:
        spec = make_spec(job, **fields)
        self.ledger.commit_now(lambda queue, now: queue.intake.submit(spec, now, by))

    def work(self, done: int, failed: int = 0) -> None:
        """Lease tasks, and report them: so many are done, and so many fail."""
        while done or failed:
            lease = self._lease(done + failed)
            stop = min(lease.stop, lease.start + done + failed)
            middle = min(stop, lease.start + done)
            values = pack_batch([b""] * (middle - lease.start))
            run = DoneSpan(lease.id, "job", lease.start, middle, values, 0.0, 1.0)
            failures = [
                TaskFailure(lease.id, "job", index, 1, "error") for index in range(middle, stop)
            ]
            rest = (ReturnedSpan(lease.id, "job", stop, lease.stop),) if stop < lease.stop else ()
            runs = (run,) if middle > lease.start else ()
            self._report(Report("w", self._requests, runs, tuple(failures), rest, ()))
            done -= middle - lease.start
            failed -= len(failures)

    def _lease(self, slots: int) -> HeldLease:
        self._requests += 1
        request = LeaseRequest("w", self._requests, slots, 0.0, ())
        (lease,) = self.ledger.observe(lambda queue, now: queue.leasing.lease(request, now))
        return lease

    def _report(self, report: Report) -> None:
        self.ledger.commit_now(lambda queue, now: queue.outcomes.report(report, now))


@pytest.fixture(params=[False])
def watched(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """One that is ``private`` where the test has that as its parameter."""
    watched = Watched(tmp_path / "store", private=request.param)
    info = make_worker(slots=4)
    watched.ledger.observe(lambda queue, now: queue.leasing.register(info, (), now))
    yield watched
    watched.store.close()


def test_the_overview_says_how_things_stand(watched: Watched) -> None:
    watched.submit(tasks=50)
    seen = watched.sampler.overview()
    assert (seen.version, seen.started_at) == (VERSION, 1000.0)
    assert (seen.workers, seen.slots, seen.waiting, seen.leased) == (1, 4, 50, 0)
    assert seen.jobs["queued"] == 1
    assert seen.done_per_second == seen.failed_per_second == 0.0
    assert seen.backlog_seconds > 0.0
    assert seen.held == seen.problem == ""


def test_rates_are_those_of_the_last_ten_seconds(watched: Watched) -> None:
    watched.submit(tasks=1000)
    watched.go(1.0)
    watched.work(done=30, failed=10)
    watched.go(4.0, ticks=8)
    seen = watched.sampler.overview()
    assert seen.done_per_second == pytest.approx(30 / 5)
    assert seen.failed_per_second == pytest.approx(10 / 5)
    watched.go(4.0, ticks=4)
    assert watched.sampler.overview().done_per_second == pytest.approx(30 / 9)
    watched.go(10.0, ticks=10)
    assert watched.sampler.overview().done_per_second == 0.0


def test_a_point_is_taken_every_step_with_what_was_done_since(watched: Watched) -> None:
    watched.submit(tasks=1000)
    watched.sampler.sample()
    watched.work(done=7, failed=2)
    watched.go(STEP_SECONDS, ticks=100)
    watched.work(done=1)
    watched.go(2 * STEP_SECONDS, ticks=20)
    line = watched.sampler.timeline(0.0)
    assert line.step_seconds == STEP_SECONDS
    assert [(point.done, point.failed) for point in line.points] == [(0, 0), (7, 2), (1, 0), (0, 0)]
    assert [point.at for point in line.points] == pytest.approx([1000, 1010, 1020, 1030], abs=1.0)
    assert {point.slots for point in line.points} == {4}
    assert line.points[-1].running_jobs == 1
    assert line.points[-1].waiting + line.points[-1].leased == 1000 - 10
    later = watched.sampler.timeline(line.points[1].at)
    assert later.points == line.points[2:]


def test_an_hour_is_remembered_and_a_gap_stays_a_gap(watched: Watched) -> None:
    watched.go(2 * STEPS_KEPT * STEP_SECONDS, ticks=2 * STEPS_KEPT)
    assert len(watched.sampler.timeline(0.0).points) == STEPS_KEPT
    last = watched.sampler.timeline(0.0).points[-1].at
    watched.go(600.0)  # the machine was asleep
    watched.go(1.0)
    after = watched.sampler.timeline(last)
    assert [point.at for point in after.points] == [last + 600.0]


def test_tasks_that_their_client_took_back_have_not_failed(watched: Watched) -> None:
    watched.submit(tasks=3)
    watched.ledger.commit_now(
        lambda queue, now: queue.outcomes.withdraw("job", [0, 1], kill=False, now=now)
    )
    assert watched.sampler.overview().failed_per_second == 0.0


def test_what_each_worker_did_is_remembered_too(watched: Watched) -> None:
    watched.go(2 * STEP_SECONDS, ticks=4)
    assert len(watched.sampler.pasts.list_points("w")) == 3


@pytest.mark.parametrize("watched", [True], indirect=True)
def test_the_jobs_of_each_key_are_counted_for_it_alone(watched: Watched) -> None:
    watched.submit("job", by="alice", tasks=100)
    watched.sampler.sample()
    watched.work(done=7, failed=2)
    watched.submit("other", by="bob", tasks=5)
    watched.go(STEP_SECONDS, ticks=10)
    for by, waiting, done, failed in (("alice", 91, 7, 2), ("bob", 5, 0, 0), ("carol", 0, 0, 0)):
        seen = watched.sampler.overview(by)
        assert (seen.slots, seen.waiting, sum(seen.jobs.values())) == (4, waiting, waiting > 0)
        assert seen.done_per_second == pytest.approx(done / 10)
        assert seen.failed_per_second == pytest.approx(failed / 10)
        assert (seen.backlog_seconds > 0) == (waiting > 0)
        (before, point) = watched.sampler.timeline(0.0, by).points
        assert (point.slots, point.waiting, point.done, point.failed) == (4, waiting, done, failed)
        assert (before.slots, before.done) == (4, 0)
    assert watched.sampler.overview().waiting == 96
    assert watched.sampler.timeline(0.0).points[-1].waiting == 96
