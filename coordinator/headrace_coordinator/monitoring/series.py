"""Limits the number of a metric's series, that is, of combinations of its labels' values."""

from __future__ import annotations

from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

Metric = TypeVar("Metric", bound=MetricWrapperBase)

#: The maximum number of series of one metric. There are few services and operations, but clients
#: can choose any names.
MAX_SERIES = 200

#: The value of each label in the series that counts everything beyond the limit.
OTHER = "other"


class Series(Generic[Metric]):
    """The series of a metric with labels: at most MAX_SERIES of them, and OTHER."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Metric] = {}

    def find(self, *values: str) -> Metric | None:
        """Return the series with these label values; None if it is beyond the limit."""
        child = self._children.get(values)
        if child is None and len(self._children) < MAX_SERIES:
            child = self._children[values] = self._metric.labels(*values)
        return child

    def at(self, *values: str) -> Metric:
        """Do the same, but return the series OTHER if it is beyond the limit."""
        return self.find(*values) or self._metric.labels(*(OTHER,) * len(values))
