"""The figures of a pool: its slots, the tasks that it holds, and how long those take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from headrace_wire.messages.workers import RunningTask
from headrace_worker.link.messages import Progress
from headrace_worker.machine.processes import Usage, read_usage
from headrace_worker.pool.backlog import Backlog, Span
from headrace_worker.pool.batch import Batch
from headrace_worker.pool.dispatch import Paces
from headrace_worker.pool.supervisor import Supervisor
from headrace_worker.prefetch import Times, mix_times


class PoolFigures:
    """The part of a pool that does not change it."""

    _backlog: Backlog
    _batches: dict[int, Batch]
    _paces: Paces
    _supervisor: Supervisor

    @property
    def slots(self) -> int:
        return self._supervisor.size

    @property
    def busy_slots(self) -> int:
        return sum(1 for slot in self._supervisor.slots if slot.pieces)

    @property
    def idle_slots(self) -> int:
        return self.slots - self.busy_slots

    @property
    def outstanding(self) -> frozenset[int]:
        """Keys of the batches that have tasks without an outcome."""
        return frozenset(self._batches)

    @property
    def pending_tasks(self) -> int:
        """How many tasks have not started."""
        return sum(map(len, self._list_pending()))

    @property
    def queued_tasks(self) -> int:
        """How many tasks wait behind others; the first task of each slot runs or is about to."""
        behind = sum(max(0, slot.count_tasks() - 1) for slot in self._supervisor.slots)
        return self._backlog.tasks + behind

    @property
    def mean_seconds(self) -> float | None:
        """The recent mean duration of a task, in seconds; None before any task has ended."""
        return self._paces.overall.mean_seconds

    def find_times(self) -> Times | None:
        """Return how long the tasks that are here take, and how much that varies. If there are
        none, return the times of the last job. None while there is a job of which no task has
        ended.
        """
        tasks: Counter[str] = Counter()
        for batch in self._batches.values():
            tasks[batch.job] += batch.remaining
        if not tasks:
            return self._paces.latest.times
        return mix_times([(self._paces.times_of(job), count) for job, count in tasks.items()])

    def find_means(self) -> dict[str, float]:
        """Return the mean duration of a task in seconds, for each job for which it is known."""
        jobs = {batch.job for batch in self._batches.values()}
        means = {job: self._paces.mean_of(job) for job in jobs}
        return {job: mean for job, mean in means.items() if mean is not None}

    def list_left(self) -> list[float]:
        """Return in how many seconds each slot is expected to finish its running task; 0 for a slot
        that runs none, or whose task takes longer than usual.
        """
        now = time.monotonic()
        left = [0.0] * self.slots
        for place, slot in enumerate(self._supervisor.slots):
            found = slot.find_running()
            times = found and self._paces.times_of(found[0].batch.job)
            if found and times:
                run = now - found[2].since_seconds
                left[place] = max(0.0, times.early_seconds - run)
        return left

    @property
    def pending_seconds(self) -> float | None:
        """How long one slot would take for the tasks that have not started.

        None while there is a job, even a running one, of which no task has ended.
        """
        jobs = {batch.job for batch in self._batches.values()}
        means = {job: self._paces.mean_of(job) for job in jobs}
        if None in means.values():
            return None
        return sum(len(one) * (means.get(one.batch.job) or 0.0) for one in self._list_pending())

    def is_stuck(self, seconds: float) -> bool:
        """Return whether every slot has been running the same task for longer than this."""
        now = time.monotonic()
        for slot in self._supervisor.slots:
            found = slot.find_running()
            if found is None or now - found[2].since_seconds <= seconds:
                return False
        return len(self._supervisor.slots) == self.slots

    def read_usage(self) -> dict[int, Usage]:
        """Return the resource usage of each slot, by process number. Pages that slots share count
        for each.
        """
        found: dict[int, Usage] = {}
        for slot in self._supervisor.slots:
            found[slot.pid] = usage = read_usage(slot.pid)
            slot.rss_bytes = usage.rss_bytes
        return found

    def list_progress(self) -> list[Progress]:
        """Return the progress of the running tasks that report it."""
        return [slot.progress for slot in self._supervisor.slots if slot.progress]

    def list_running(self, most: int) -> list[RunningTask]:
        """Return the running tasks, or this many of those that have been running longest."""
        now = time.monotonic()
        found: list[RunningTask] = []
        for slot in self._supervisor.slots:
            if found_task := slot.find_running():
                piece, index, running = found_task
                batch, seconds = piece.batch, max(0.0, now - running.since_seconds)
                found.append(
                    RunningTask(
                        batch.job, index, batch.attempt, "", slot.number, seconds, slot.rss_bytes
                    )
                )
        if len(found) > most:
            found = sorted(found, key=lambda task: -task.seconds)[:most]
        return found

    def _list_pending(self) -> Iterator[Span]:
        yield from self._backlog
        for slot in self._supervisor.slots:
            yield from slot.list_unstarted()
