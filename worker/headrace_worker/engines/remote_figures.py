"""The figures of an engine over another cluster: its slots, its spans and their times."""

from __future__ import annotations

import time

from headrace_wire.messages.workers import RunningTask
from headrace_worker.engines.grid import Grid
from headrace_worker.engines.remote_run import RemoteRun
from headrace_worker.engines.settling import Settling
from headrace_worker.engines.span_size import SPAN_SECONDS, count_room
from headrace_worker.link.messages import Progress
from headrace_worker.machine.processes import Usage
from headrace_worker.pool.backlog import Backlog
from headrace_worker.pool.tally import Tally
from headrace_worker.prefetch import Times


class RemoteFigures:
    """The part of a remote engine that does not change it. ``_ended`` is when a span last ended
    (monotonic), and ``_most`` the maximum number of slots.
    """

    _backlog: Backlog
    _ended: float
    _grid: Grid
    _most: int | None
    _runs: dict[int, RemoteRun]
    _settling: Settling

    @property
    def slots(self) -> int:
        return self._grid.slots if self._most is None else min(self._most, self._grid.slots)

    @property
    def tally(self) -> Tally:
        return self._settling.tally

    @property
    def busy_slots(self) -> int:
        return min(self.slots, len(self._runs))

    @property
    def idle_slots(self) -> int:
        return max(0, count_room(self.slots, self.mean_seconds) - len(self._runs))

    @property
    def outstanding(self) -> frozenset[int]:
        return frozenset(self._settling.batches)

    @property
    def pending_tasks(self) -> int:
        return self._backlog.tasks

    @property
    def queued_tasks(self) -> int:
        inside = sum(len(run.span) for run in self._runs.values())
        return self._backlog.tasks + max(0, inside - count_room(self.slots, self.mean_seconds))

    @property
    def mean_seconds(self) -> float | None:
        return self._settling.paces.overall.mean_seconds

    @property
    def pending_seconds(self) -> float | None:
        means = self._settling.find_means()
        if None in means.values():
            return None
        ahead = list(self._runs.values())[self.slots :]
        waiting = [*self._backlog, *(run.span for run in ahead)]
        return sum(len(span) * (means.get(span.batch.job) or 0.0) for span in waiting)

    def find_times(self) -> Times | None:
        return self._settling.find_times()

    def find_means(self) -> dict[str, float]:
        means = self._settling.find_means()
        return {job: mean for job, mean in means.items() if mean is not None}

    def list_left(self) -> list[float]:
        left = [
            run.estimate_left(self._settling.paces.mean_of(run.span.batch.job))
            for run in self._runs.values()
        ]
        left = sorted(left, reverse=True)[: self.slots]
        return left + [0.0] * (self.slots - len(left))

    def is_stuck(self, seconds: float) -> bool:
        if not self.slots:
            return True  # nothing runs there now, but other workers may have slots
        if len(self._runs) < self.slots:
            return False
        return time.monotonic() - self._ended > seconds + 2 * SPAN_SECONDS

    def read_usage(self) -> dict[int, Usage]:
        return {}

    def list_progress(self) -> list[Progress]:
        return [run.progress for run in self._runs.values() if run.progress]

    def list_running(self, most: int) -> list[RunningTask]:
        now = time.monotonic()
        found = [
            RunningTask(
                run.span.batch.job,
                run.index,
                run.span.batch.attempt,
                "",
                run.number,
                max(0.0, now - run.since),
                0,
            )
            for run in self._runs.values()
            if run.index is not None and not run.span.batch.cancelled
        ]
        return sorted(found, key=lambda task: -task.seconds)[:most]
