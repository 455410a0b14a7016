"""Bounds the number of a metric's series, that is of combinations of its labels' values."""

from __future__ import annotations

from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

Metric = TypeVar("Metric", bound=MetricWrapperBase)

#: Series of one metric. Services and operations are few, but anybody may give them names.
MAX_SERIES = 200

#: The value of each label in the series that counts all that are too many.
OTHER = "other"


class Series(Generic[Metric]):
    """The series of a metric with labels, at most MAX_SERIES of them and OTHER."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Metric] = {}

    def find(self, *values: str) -> Metric | None:
        """Return the series with these values of the labels, None if it is one too many."""
        child = self._children.get(values)
        if child is None and len(self._children) < MAX_SERIES:
            child = self._children[values] = self._metric.labels(*values)
        return child

    def at(self, *values: str) -> Metric:
        """The same, but return the series OTHER in place of one too many."""
        return self.find(*values) or self._metric.labels(*(OTHER,) * len(values))
