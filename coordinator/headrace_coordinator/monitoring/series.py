"""The series of a metric by the values of its labels: so many, and one for all others."""

from __future__ import annotations

from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

Metric = TypeVar("Metric", bound=MetricWrapperBase)

#: Series of one metric; names of services and operations are few, but anybody's.
MAX_SERIES = 1000

#: What stands for all labels of series that are too many.
OTHER = "other"


class Series(Generic[Metric]):
    """The children of a metric with labels, at most MAX_SERIES of them and OTHER."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Metric] = {}

    def at(self, *values: str) -> Metric:
        """The child with these labels."""
        child = self._children.get(values)
        if child is None:
            if len(self._children) >= MAX_SERIES:
                return self._metric.labels(*(OTHER,) * len(values))
            child = self._children[values] = self._metric.labels(*values)
        return child
