"""What the coordinator does in numbers: now, and over the last hour.

ledger ─ events, after their commit ─► Sampler.note ─► tasks done and failed
ticker ─ after each tick ────────────► Sampler.sample ─► a point every STEP_SECONDS
clients ─ overview, timeline ─────────────────┘
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import Event, SpanDone, TaskDead
from headrace_coordinator.queue.figures import Figures, measure
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.stranded import note_stranded
from headrace_coordinator.serving.worker_pasts import WorkerPasts
from headrace_wire.errors import StoreError
from headrace_wire.messages import RUNNING, WITHDRAWN
from headrace_wire.version import VERSION
from headrace_wire.views import STEP_SECONDS, STEPS_KEPT, Overview, Timeline, TimePoint

#: Rates are those of so many seconds, looked at once a second.
RATE_SECONDS = 10
LOOK_SECONDS = 1.0


class Sampler:
    """Counts what is done, and remembers points. All methods are for the event loop's thread."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._clock, self._wall = clock, wall
        self._started_at = wall()
        #: Tasks that are done and dead since this coordinator was started.
        self._done = self._failed = 0
        #: When that was looked at, and what it was.
        self._looks = deque([(clock(), 0, 0)], maxlen=RATE_SECONDS + 1)
        #: How each worker did.
        self.pasts = WorkerPasts()
        self._points: deque[TimePoint] = deque(maxlen=STEPS_KEPT)
        self._next_point = clock()
        self._counted = 0, 0

    def note(self, happened: Sequence[Event]) -> None:
        """Count tasks that are done or dead."""
        for event in happened:
            if isinstance(event, SpanDone):
                self._done += event.stop - event.start
            elif isinstance(event, TaskDead) and event.failure.reason != WITHDRAWN:
                self._failed += 1

    def sample(self) -> None:
        """Remember how things stand, if it is time for that."""
        now = self._clock()
        if now - self._looks[-1][0] >= LOOK_SECONDS:
            self._looks.append((now, self._done, self._failed))
        if now < self._next_point:
            return
        late = now - self._next_point >= STEP_SECONDS
        self._next_point = (now if late else self._next_point) + STEP_SECONDS
        with contextlib.suppress(StoreError):  # no queue to look at; the ledger has said why
            self._ledger.observe(self._take_point)

    def overview(self) -> Overview:
        """The state of the whole cluster in a few numbers."""
        now = self._clock()
        at, done, failed = next(
            (look for look in self._looks if now - look[0] <= RATE_SECONDS + LOOK_SECONDS),
            self._looks[-1],
        )
        seconds = max(now - at, LOOK_SECONDS)

        def look(queue: Queue, _: Now) -> Overview:
            found = measure(queue.state)
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
                done_per_second=(self._done - done) / seconds,
                failed_per_second=(self._failed - failed) / seconds,
                backlog_seconds=found.backlog_seconds,
                held=queue.spool.held_because,
                problem=self._ledger.problem,
            )

        return self._ledger.observe(look)

    def timeline(self, since: float) -> Timeline:
        """The points after a moment, the oldest first."""
        return Timeline(STEP_SECONDS, tuple(point for point in self._points if point.at > since))

    def _take_point(self, queue: Queue, now: Now) -> None:
        note_stranded(queue.state, now)
        found: Figures = measure(queue.state)
        done, failed = self._counted
        self._counted = self._done, self._failed
        at = self._wall()
        self.pasts.take(queue.state.members, at)
        point = TimePoint(
            at=at,
            workers=found.workers,
            slots=found.slots,
            busy=found.busy,
            waiting=found.waiting,
            leased=found.leased,
            retrying=found.retrying,
            running_jobs=found.jobs[RUNNING],
            done=self._done - done,
            failed=self._failed - failed,
        )
        self._points.append(point)
