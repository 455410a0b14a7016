"""Makes gauges from values that are read at a scrape."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric


def make_gauge(name: str, text: str, value: float) -> Metric:
    """Make a gauge without labels."""
    return GaugeMetricFamily(name, text, value)


def make_gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Make a gauge with one label; ``values`` are by the value of the label."""
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family
