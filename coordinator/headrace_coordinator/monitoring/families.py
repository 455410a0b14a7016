"""Short ways to make gauges of what is read at a scrape."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric


def make_gauge(name: str, text: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(name, text, value)


def make_gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """A gauge with one label, and its values by the label's."""
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family
