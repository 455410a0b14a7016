"""Figures of what the coordinator does, now and over the last hour.

ledger ─ events, after their commit ─► Sampler.note ─► tasks done and failed
ticker ─ after each tick ────────────► Sampler.sample ─► a point every STEP_SECONDS
clients ─ overview, timeline ─────────────────┘
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import Event, SpanDone, TaskDead
from headrace_coordinator.queue.figures import Figures, count_jobs, measure
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.unschedulable import note_unschedulable
from headrace_coordinator.serving.worker_pasts import WorkerPasts
from headrace_wire.errors import StoreError
from headrace_wire.messages.failures import WITHDRAWN
from headrace_wire.messages.jobs import RUNNING
from headrace_wire.messages.views import (
    BACKLOGS_TOLD,
    STEP_SECONDS,
    STEPS_KEPT,
    Backlog,
    Overview,
    Timeline,
    TimePoint,
)
from headrace_wire.version import VERSION

#: Rates are computed over this many seconds, from counts that are taken once a second.
RATE_SECONDS = 10
LOOK_SECONDS = 1.0

#: The point for the jobs of a key that had none then.
_NONE = {
    "waiting": 0, "leased": 0, "retrying": 0, "running_jobs": 0, "done": 0, "failed": 0
}  # fmt: skip


def _tell_backlogs(found: Figures) -> tuple[Backlog, ...]:
    parts = sorted(found.backlogs.items(), key=lambda part: -part[1].seconds)
    return tuple(
        Backlog(service, is_limited, part.tasks, part.seconds)
        for (service, is_limited), part in parts[:BACKLOGS_TOLD]
    )


class Counts:
    """How many tasks were done and failed: in total, recently, and at each point of the last
    hour.
    """

    def __init__(self, now: float) -> None:
        #: Tasks that are done and dead since this coordinator was started.
        self.done = self.failed = 0
        #: When the counts were taken, and what they were.
        self._looks = deque([(now, 0, 0)], maxlen=RATE_SECONDS + 1)
        self._counted = 0, 0
        self.points: deque[TimePoint] = deque(maxlen=STEPS_KEPT)

    def add(self, done: int, failed: int) -> None:
        self.done += done
        self.failed += failed

    def look(self, now: float) -> None:
        """Record the counts, if it is time for that."""
        if now - self._looks[-1][0] >= LOOK_SECONDS:
            self._looks.append((now, self.done, self.failed))

    def rate(self, now: float) -> tuple[float, float]:
        """Return the recent number of tasks that were done and that failed per second."""
        at, done, failed = next(
            (look for look in self._looks if now - look[0] <= RATE_SECONDS + LOOK_SECONDS),
            self._looks[-1],
        )
        seconds = max(now - at, LOOK_SECONDS)
        return (self.done - done) / seconds, (self.failed - failed) / seconds

    def add_point(self, workers: Figures, jobs: Figures, at: float) -> None:
        """Add a point with the current figures."""
        done, failed = self._counted
        self._counted = self.done, self.failed
        point = TimePoint(
            at=at,
            workers=workers.workers,
            slots=workers.slots,
            busy=workers.busy,
            waiting=jobs.waiting,
            leased=jobs.leased,
            retrying=jobs.retrying,
            running_jobs=jobs.jobs[RUNNING],
            done=self.done - done,
            failed=self.failed - failed,
        )
        self.points.append(point)


class Sampler:
    """Counts tasks, and records points. All methods must be called in the event loop's thread.

    If jobs are ``private``, it also does so for the jobs of each key: ``by`` names the key whose
    jobs alone are counted, and is None for all. Workers and slots are shared by all.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        *,
        private: bool = False,
    ) -> None:
        self._ledger = ledger
        self._clock, self._wall = clock, wall
        self._private = private
        self._started_at = wall()
        self._all = Counts(clock())
        self._of_key: dict[str, Counts] = {}
        #: Tasks that were done and that failed, by job, that are not yet counted for their keys.
        self._of_job: dict[str, tuple[int, int]] = {}
        #: The figures of each worker.
        self.pasts = WorkerPasts()
        self._next_point = clock()

    def note(self, happened: Sequence[Event]) -> None:
        """Count tasks that are done or dead."""
        for event in happened:
            if isinstance(event, SpanDone):
                self._add(event.job, event.stop - event.start, 0)
            elif isinstance(event, TaskDead) and event.failure.reason != WITHDRAWN:
                self._add(event.failure.job, 0, 1)

    def _add(self, job: str, done: int, failed: int) -> None:
        self._all.add(done, failed)
        if self._private:
            before_done, before_failed = self._of_job.get(job, (0, 0))
            self._of_job[job] = before_done + done, before_failed + failed

    def sample(self) -> None:
        """Record the current figures, if it is time for that."""
        now = self._clock()
        if self._of_job:
            with contextlib.suppress(StoreError):  # see below
                self._ledger.observe(self._share)
        for counts in (self._all, *self._of_key.values()):
            counts.look(now)
        if now < self._next_point:
            return
        late = now - self._next_point >= STEP_SECONDS
        self._next_point = (now if late else self._next_point) + STEP_SECONDS
        with contextlib.suppress(StoreError):  # there is no queue, and the ledger has said why
            self._ledger.observe(self._take_point)

    def overview(self, by: str | None = None) -> Overview:
        """Return figures of the whole cluster."""
        now = self._clock()
        counts = self._all if by is None else self._of_key.get(by)
        done, failed = counts.rate(now) if counts else (0.0, 0.0)

        def look(queue: Queue, _: Now) -> Overview:
            found = measure(queue.state, by)
            return Overview(
                version=VERSION,
                started_at=self._started_at,
                workers=found.workers,
                draining=found.draining,
                slots=found.slots,
                busy=found.busy,
                waiting=found.waiting,
                leased=found.leased,
                retrying=found.retrying,
                jobs=found.jobs,
                done_per_second=done,
                failed_per_second=failed,
                backlog_seconds=found.backlog_seconds,
                held=queue.spool.held_because,
                problem=self._ledger.problem,
                backlogs=_tell_backlogs(found),
            )

        return self._ledger.observe(look)

    def timeline(self, since: float, by: str | None = None) -> Timeline:
        """Return the points after a time, the oldest first."""
        points = [point for point in self._all.points if point.at > since]
        if by is not None:
            counts = self._of_key.get(by)
            own = {point.at: point for point in counts.points} if counts else {}
            points = [own.get(point.at) or replace(point, **_NONE) for point in points]
        return Timeline(STEP_SECONDS, tuple(points))

    def _share(self, queue: Queue, _: Now) -> None:
        """Count what was done for the keys that submitted the jobs. The events do not name the
        keys.
        """
        for job_id, (done, failed) in self._of_job.items():
            if job := queue.state.jobs.get(job_id):  # it may have been deleted
                self._count_for(job.submitted_by).add(done, failed)
        self._of_job.clear()

    def _count_for(self, key: str) -> Counts:
        if key not in self._of_key:
            self._of_key[key] = Counts(self._clock())
        return self._of_key[key]

    def _take_point(self, queue: Queue, now: Now) -> None:
        note_unschedulable(queue.state, now)
        found: Figures = measure(queue.state)
        at = self._wall()
        self.pasts.take(queue.state.members, at)
        self._all.add_point(found, found, at)
        if self._private:
            jobs: dict[str, list[Job]] = {key: [] for key in self._of_key}
            for job in queue.state.jobs.values():
                jobs.setdefault(job.submitted_by, []).append(job)
            for key, own in jobs.items():
                self._count_for(key).add_point(found, count_jobs(own), at)
