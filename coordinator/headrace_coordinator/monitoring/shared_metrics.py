"""Metrics of shared state, read at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.monitoring.exposition import Family
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_wire.shared import KINDS


class SharedCollector:
    """Shows how many objects there are, what they take, and who waits for a lock."""

    def __init__(self, ledger: Ledger, shared: SharedObjects) -> None:
        self._ledger = ledger
        self._shared = shared

    def collect(self) -> Iterator[Family]:
        families: list[Family] = self._ledger.observe(_look)
        waiters = Family("gauge", "headrace_lock_waiters", "Calls that wait for a shared lock.")
        waiters.add((), self._shared.count_lock_waiters())
        yield from [*families, waiters]


def _look(queue: Queue, _: Now) -> list[Family]:
    counts = Counter(one.kind for one in queue.shared.objects.values())
    objects = Family("gauge", "headrace_shared_objects", "Shared objects.", labels=("kind",))
    for kind in KINDS:
        objects.add((kind,), counts[kind])
    size = Family("gauge", "headrace_shared_bytes", "Bytes that shared objects take in memory.")
    size.add((), queue.shared.ground.size_bytes)
    families: list[Family] = [objects, size]
    if queue.rules.shared_limit_bytes is not None:
        limit = Family(
            "gauge",
            "headrace_shared_limit_bytes",
            "Bytes beyond which shared state takes nothing more.",
        )
        limit.add((), queue.rules.shared_limit_bytes)
        families.append(limit)
    return families
