"""What a worker's counters have grown by since its last report."""

from __future__ import annotations

from collections import Counter, defaultdict

from headrace_wire.messages import Sample
from headrace_wire.samples import CPU_SECONDS, SLOT_RESTARTS, TASK_SECONDS
from headrace_worker.link.messages import TasksDone
from headrace_worker.pool.batch import Batch


class Tally:
    """Growth by service and operation, and of slots that ended, by reason."""

    def __init__(self) -> None:
        self.restarts: Counter[str] = Counter()
        self._buckets: dict[tuple[str, str], list[int]] = {}
        self._busy_seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._cpu_seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    def add_done(self, batch: Batch, done: TasksDone) -> None:
        """Count tasks that are done."""
        key = (batch.service, batch.operation)
        buckets = self._buckets.setdefault(key, [0] * len(done.durations))
        for place, count in enumerate(done.durations):
            buckets[place] += count
        self._busy_seconds[key] += done.busy_seconds
        self._cpu_seconds[key] += done.cpu_seconds

    def add_failure(self, batch: Batch, cpu_seconds: float) -> None:
        """Count what a task used that failed."""
        self._cpu_seconds[batch.service, batch.operation] += cpu_seconds

    def drain(self) -> tuple[Sample, ...]:
        """Take the growth, as samples; it begins at nothing again."""
        samples: list[Sample] = []
        for (service, operation), buckets in self._buckets.items():
            labels = ("service", service, "operation", operation)
            seconds = self._busy_seconds[service, operation]
            samples.append(Sample(TASK_SECONDS.name, labels, seconds, tuple(buckets)))
        for (service, operation), seconds in self._cpu_seconds.items():
            labels = ("service", service, "operation", operation)
            samples.append(Sample(CPU_SECONDS.name, labels, seconds))
        for reason, count in self.restarts.items():
            samples.append(Sample(SLOT_RESTARTS.name, ("reason", reason), float(count)))
        for totals in (self._buckets, self._busy_seconds, self._cpu_seconds, self.restarts):
            totals.clear()
        return tuple(samples)
