"""Metrics of shared state, read at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from headrace_coordinator.ledger import Ledger
from headrace_coordinator.queue import Queue
from headrace_coordinator.shared.served import SharedObjects
from headrace_coordinator.state import Now
from headrace_wire.shared import KINDS


class SharedCollector(Collector):
    """Shows how many objects there are, what they take, and who waits for a lock."""

    def __init__(self, ledger: Ledger, shared: SharedObjects) -> None:
        self._ledger = ledger
        self._shared = shared

    def describe(self) -> list[Metric]:
        """Nothing beforehand: names are fixed, and no other collector uses them."""
        return []

    def collect(self) -> Iterator[Metric]:
        families: list[Metric] = self._ledger.observe(_look)
        waiters = GaugeMetricFamily("headrace_lock_waiters", "Calls that wait for a shared lock.")
        waiters.add_metric((), self._shared.count_lock_waiters())
        yield from [*families, waiters]


def _look(queue: Queue, _: Now) -> list[Metric]:
    counts = Counter(one.kind for one in queue.shared.objects.values())
    objects = GaugeMetricFamily("headrace_shared_objects", "Shared objects.", labels=("kind",))
    for kind in KINDS:
        objects.add_metric((kind,), counts[kind])
    size = GaugeMetricFamily("headrace_shared_bytes", "Bytes that shared objects take in memory.")
    size.add_metric((), queue.shared.ground.size_bytes)
    families: list[Metric] = [objects, size]
    if queue.rules.shared_limit_bytes is not None:
        limit = GaugeMetricFamily(
            "headrace_shared_limit_bytes", "Bytes beyond which shared state takes nothing more."
        )
        limit.add_metric((), queue.rules.shared_limit_bytes)
        families.append(limit)
    return families
