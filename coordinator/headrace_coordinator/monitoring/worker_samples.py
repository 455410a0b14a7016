"""Samples from workers: the growth of each worker's counters, added up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

from headrace_wire.bounds import MAX_WORKERS
from headrace_wire.messages.reports import Sample
from headrace_wire.samples import KINDS, SampleKind

#: The values of a series' labels, and its total: the sum, and the number of observations in each
#: bucket.
Labels = tuple[str, ...]
Total = tuple[float, list[int]]

#: For how many of a worker's last reports it is known whether they have arrived.
KEPT_REPORTS = 64

#: The maximum number of series. There are few names of services and operations.
MAX_SERIES = 2000


class SampleBook:
    """Totals by metric and labels. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, Labels], Total] = {}
        #: The highest number of each worker's reports, and which of the earlier ones have arrived,
        #: as bits. Several reports of a worker that is far away may arrive in any order.
        self._last_report: dict[str, tuple[int, int]] = {}

    def add(self, worker: str, number: int, samples: Sequence[Sample]) -> None:
        """Add a report's samples. If the same report was added before, nothing changes.

        A sample of an unknown metric, or with other labels or buckets, is ignored.
        """
        with self._lock:
            # Workers are kept in the order in which they last reported; the oldest is forgotten
            # first.
            last, came = self._last_report.pop(worker, (0, 0))
            is_news, self._last_report[worker] = _note_number(number, last, came)
            if len(self._last_report) > MAX_WORKERS:
                del self._last_report[next(iter(self._last_report))]
            for sample in samples if is_news else ():
                self._add_sample(sample)

    def collect(self) -> Iterator[Metric]:
        """Yield one metric family for each kind."""
        with self._lock:
            totals = {key: (value, list(buckets)) for key, (value, buckets) in self._totals.items()}
        for kind in KINDS.values():
            found = {labels: total for (name, labels), total in totals.items() if name == kind.name}
            yield _make_histogram(kind, found) if kind.bounds else _make_counter(kind, found)

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


def _note_number(number: int, last: int, came: int) -> tuple[bool, tuple[int, int]]:
    """Return whether a report is new, the highest number, and which reports have arrived."""
    if number > last:
        came = (came << min(number - last, KEPT_REPORTS) | 1) & ((1 << KEPT_REPORTS) - 1)
        return True, (number, came)
    back = last - number
    is_news = back < KEPT_REPORTS and not came >> back & 1
    return is_news, (last, came | 1 << back if is_news else came)


def _make_counter(kind: SampleKind, totals: dict[Labels, Total]) -> Metric:
    family = CounterMetricFamily(kind.name, kind.help, labels=kind.labels)
    for labels, (value, _) in totals.items():
        family.add_metric(labels, value)
    return family


def _make_histogram(kind: SampleKind, totals: dict[Labels, Total]) -> Metric:
    family = HistogramMetricFamily(kind.name, kind.help, labels=kind.labels)
    bounds = [*map(str, kind.bounds), "+Inf"]
    for labels, (value, buckets) in totals.items():
        family.add_metric(labels, list(zip(bounds, accumulate(buckets), strict=True)), value)
    return family
