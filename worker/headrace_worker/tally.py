"""What a worker's counters have grown by since its last report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from headrace_wire.messages import Sample
from headrace_wire.samples import CPU_SECONDS, SLOT_RESTARTS, TASK_SECONDS
from headrace_worker.pool.batch import Done, Failed


class Tally:
    """Growth by service and operation, and of slots that ended."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], list[int]] = {}
        self._busy_seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._cpu_seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._restarts: defaultdict[str, int] = defaultdict(int)

    def add_run(self, service: str, operation: str, run: Done) -> None:
        key = (service, operation)
        buckets = self._buckets.setdefault(key, [0] * len(run.durations))
        for place, count in enumerate(run.durations):
            buckets[place] += count
        self._busy_seconds[key] += run.busy_seconds
        self._cpu_seconds[key] += run.cpu_seconds

    def add_failure(self, service: str, operation: str, failure: Failed) -> None:
        self._cpu_seconds[service, operation] += failure.cpu_seconds

    def add_restarts(self, restarts: Mapping[str, int]) -> None:
        for reason, count in restarts.items():
            self._restarts[reason] += count

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
        for reason, count in self._restarts.items():
            samples.append(Sample(SLOT_RESTARTS.name, ("reason", reason), float(count)))
        for totals in (self._buckets, self._busy_seconds, self._cpu_seconds, self._restarts):
            totals.clear()
        return tuple(samples)
