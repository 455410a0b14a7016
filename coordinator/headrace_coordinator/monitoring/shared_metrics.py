"""Metrics of shared state, read at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_wire.shared import KINDS


class SharedCollector:
    """Shows how many objects there are, what they take, and who waits for a lock."""

    def __init__(self, ledger: Ledger, shared: SharedObjects) -> None:
        self._ledger = ledger
        self._shared = shared

    def collect(self) -> Iterator[Metric]:
        families: list[Metric] = self._ledger.observe(_look)
        yield from families
        yield GaugeMetricFamily(
            "headrace_lock_waiters",
            "Calls that wait for a shared lock.",
            self._shared.count_lock_waiters(),
        )


def _look(queue: Queue, _: Now) -> list[Metric]:
    counts = Counter(one.kind for one in queue.shared.objects.values())
    objects = GaugeMetricFamily("headrace_shared_objects", "Shared objects.", labels=("kind",))
    for kind in KINDS:
        objects.add_metric((kind,), counts[kind])
    size = GaugeMetricFamily(
        "headrace_shared_bytes",
        "Bytes that shared objects take in memory.",
        queue.shared.context.size_bytes,
    )
    if queue.rules.shared_limit_bytes is None:
        return [objects, size]
    limit = GaugeMetricFamily(
        "headrace_shared_limit_bytes",
        "Bytes beyond which shared state takes nothing more.",
        queue.rules.shared_limit_bytes,
    )
    return [objects, size, limit]
