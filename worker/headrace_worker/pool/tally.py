"""The growth of a worker's counters since its last report."""

from __future__ import annotations

from collections import Counter, defaultdict

from headrace_wire.messages.reports import Sample
from headrace_wire.samples import CPU_SECONDS, SLOT_RESTARTS, TASK_SECONDS
from headrace_worker.link.messages import TasksDone
from headrace_worker.pool.batch import Batch

#: Alternating names and values.
Labels = tuple[str, ...]


class Tally:
    """Growth by service and operation, and how many slots ended, by reason.

    The reason for the end of a slot is that of a failure, or ``tasks`` or ``memory`` if it was
    recycled, ``tenant`` if it made room for another tenant, ``code`` if its modules had changed on
    disk, ``cancel`` if it was killed with its job, and otherwise ``crash``.
    """

    def __init__(self) -> None:
        self.restarts: Counter[str] = Counter()
        self._durations: dict[Labels, list[int]] = {}
        self._busy_seconds: defaultdict[Labels, float] = defaultdict(float)
        self._cpu_seconds: defaultdict[Labels, float] = defaultdict(float)

    def add_done(self, batch: Batch, done: TasksDone) -> None:
        """Count tasks that are done, and what they used."""
        labels = _label(batch)
        counts = self._durations.setdefault(labels, [0] * len(done.durations))
        for place, count in enumerate(done.durations):
            counts[place] += count
        self._busy_seconds[labels] += done.busy_seconds
        self._cpu_seconds[labels] += done.cpu_seconds

    def add_failed(self, batch: Batch, cpu_seconds: float) -> None:
        """Count what a failed task used."""
        self._cpu_seconds[_label(batch)] += cpu_seconds

    def drain(self) -> list[Sample]:
        """Return the growth as samples, and reset it to zero."""
        samples = [
            Sample(TASK_SECONDS.name, labels, self._busy_seconds[labels], tuple(counts))
            for labels, counts in self._durations.items()
        ]
        for labels, seconds in self._cpu_seconds.items():
            samples.append(Sample(CPU_SECONDS.name, labels, seconds))
        for reason, count in self.restarts.items():
            samples.append(Sample(SLOT_RESTARTS.name, ("reason", reason), float(count)))
        for totals in (self._durations, self._busy_seconds, self._cpu_seconds, self.restarts):
            totals.clear()
        return samples


def _label(batch: Batch) -> Labels:
    return ("service", batch.service, "operation", batch.operation)
