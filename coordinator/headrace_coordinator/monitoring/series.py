"""Bounds the number of a metric's series, that is of combinations of its labels' values."""

from __future__ import annotations

from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

Metric = TypeVar("Metric", bound=MetricWrapperBase)

#: Series of one metric. Services and operations are few, but anybody may give them names.
MAX_SERIES = 1000

#: The value of each label in the series that counts all that are too many.
OTHER = "other"


class Series(Generic[Metric]):
    """The series of a metric with labels, at most MAX_SERIES of them and OTHER."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Metric] = {}

    def at(self, *values: str) -> Metric:
        """Return the series with these values of the labels."""
        child = self._children.get(values)
        if child is None:
            if len(self._children) >= MAX_SERIES:
                return self._metric.labels(*(OTHER,) * len(values))
            child = self._children[values] = self._metric.labels(*values)
        return child
