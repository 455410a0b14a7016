"""Samples from workers, merged: what each worker's counters grew by, added up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from headrace_coordinator.monitoring.exposition import Family
from headrace_wire.bounds import MAX_WORKERS
from headrace_wire.messages import Sample
from headrace_wire.samples import KINDS

#: Series kept in all; service and operation names are few.
MAX_SERIES = 2000


class SampleBook:
    """Totals by metric and labels. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, tuple[str, ...]], tuple[float, list[int]]] = {}
        self._last_report: dict[str, int] = {}

    def add(self, worker: str, number: int, samples: Sequence[Sample]) -> None:
        """Add a report's samples; the same report again changes nothing.

        A sample of an unknown metric or shape is passed over.
        """
        with self._lock:
            if number <= self._last_report.get(worker, 0):
                return
            # The one that was heard last is last: reports of workers that nobody scrapes go first.
            self._last_report.pop(worker, None)
            self._last_report[worker] = number
            if len(self._last_report) > MAX_WORKERS:
                del self._last_report[next(iter(self._last_report))]
            for sample in samples:
                self._add_sample(sample)

    def forget(self, workers: set[str]) -> None:
        """Keep report numbers of these workers only."""
        with self._lock:
            for gone in self._last_report.keys() - workers:
                del self._last_report[gone]

    def collect(self) -> Iterator[Family]:
        """One metric family for each kind that has samples."""
        with self._lock:
            totals = {key: (value, list(buckets)) for key, (value, buckets) in self._totals.items()}
        for kind in KINDS.values():
            family = Family(
                "histogram" if kind.bounds else "counter", kind.name, kind.help, kind.labels
            )
            for (name, labels), (value, buckets) in totals.items():
                if name != kind.name:
                    continue
                if kind.bounds:
                    family.add_histogram(labels, kind.bounds, buckets, value)
                else:
                    family.add(labels, value)
            yield family

    def _add_sample(self, sample: Sample) -> None:
        kind = KINDS.get(sample.name)
        if kind is None or sample.labels[::2] != kind.labels:
            return
        if len(sample.buckets) != (len(kind.bounds) + 1 if kind.bounds else 0):
            return
        key = (sample.name, sample.labels[1::2])
        if key not in self._totals and len(self._totals) >= MAX_SERIES:
            return
        value, buckets = self._totals.get(key, (0.0, [0] * len(sample.buckets)))
        grown = [old + new for old, new in zip(buckets, sample.buckets, strict=True)]
        self._totals[key] = (value + sample.value, grown)
