"""The counters that tasks have of their own, for Prometheus: totals by name over all jobs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, Metric

log = logging.getLogger(__name__)

#: Names that are kept in all: users could think of new ones for ever.
MAX_NAMES = 1000


class UserCounters:
    """Totals by service, operation and name. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, str, str], float] = {}
        self._full = False

    def add(self, service: str, operation: str, growth: Mapping[str, float]) -> None:
        """Add the growth of an accepted run's counters."""
        with self._lock:
            for name, amount in growth.items():
                key = (service, operation, name)
                if key in self._totals or len(self._totals) < MAX_NAMES:
                    self._totals[key] = self._totals.get(key, 0.0) + amount
                elif not self._full:
                    self._full = True
                    log.warning(
                        "tasks count under more than %d names: %r and later ones are not exported",
                        MAX_NAMES, name,
                    )  # fmt: skip

    def collect(self) -> Iterator[Metric]:
        """Yield the only metric family."""
        family = CounterMetricFamily(
            "headrace_user_counts",
            "What tasks' own counters grew by.",
            labels=("service", "operation", "name"),
        )
        with self._lock:
            for labels, total in self._totals.items():
                family.add_metric(labels, total)
        yield family
