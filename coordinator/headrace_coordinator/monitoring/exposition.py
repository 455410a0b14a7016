"""What a scrape reads: families of samples, which prometheus-client writes down.

That library is imported by the first scrape: with what it brings along, TLS and an HTTP client
among it, it takes as much memory as the rest of an idle coordinator.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Literal, NamedTuple, Protocol, cast

Kind = Literal["counter", "gauge", "histogram"]

#: Series of one metric; names of services and operations are few, but anybody's.
MAX_SERIES = 1000

#: What stands for all labels of series that are too many.
OTHER = "other"


class Sample(NamedTuple):
    """One line of a scrape."""

    name: str
    labels: dict[str, str]
    value: float


class Family:
    """A metric with its samples. Counters are named without ``_total``, which is added here."""

    def __init__(self, kind: Kind, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self.kind = kind
        self.name = f"{name}_total" if kind == "counter" else name
        self.text = text
        self.labels = tuple(labels)
        self.samples: list[Sample] = []

    def add(self, values: Sequence[str], value: float) -> None:
        """Add a series of a counter or a gauge."""
        self.samples.append(Sample(self.name, self._label(values), float(value)))

    def add_histogram(
        self, values: Sequence[str], bounds: Iterable[float], counts: Sequence[int], total: float
    ) -> None:
        """Add a series; ``counts`` are those between the bounds, and one for what is beyond."""
        labels = self._label(values)
        cumulative = list(accumulate(counts))
        for bound, count in zip([*map(str, bounds), "+Inf"], cumulative, strict=True):
            sample = Sample(f"{self.name}_bucket", {**labels, "le": bound}, float(count))
            self.samples.append(sample)
        self.samples.append(Sample(f"{self.name}_count", labels, float(cumulative[-1])))
        self.samples.append(Sample(f"{self.name}_sum", labels, float(total)))

    def _label(self, values: Sequence[str]) -> dict[str, str]:
        return dict(zip(self.labels, values, strict=True))


class Collector(Protocol):
    """Gives families at each scrape."""

    def collect(self) -> Iterable[Family]: ...


class Counter:
    """Totals by label values, up to MAX_SERIES and one for all others. Thread safe."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self._about = (name, text, labels)
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def add(self, amount: float, *values: str) -> None:
        with self._lock:
            if values not in self._totals and len(self._totals) >= MAX_SERIES:
                values = (OTHER,) * len(values)
            self._totals[values] = self._totals.get(values, 0.0) + amount

    def collect(self) -> Iterable[Family]:
        family = Family("counter", *self._about)
        with self._lock:
            for values, total in self._totals.items():
                family.add(values, total)
        yield family


class Histogram:
    """How often what was observed lay between which bounds, by label values as ``Counter`` has
    them. Thread safe.
    """

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str] = ()
    ) -> None:
        self._about = (name, text, labels)
        self._bounds = tuple(bounds)
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._totals: dict[tuple[str, ...], float] = {}
        if not labels:
            self._begin(())

    def observe(self, amount: float, *values: str) -> None:
        with self._lock:
            if values not in self._totals:
                values = self._begin(values)
            self._counts[values][bisect_left(self._bounds, amount)] += 1
            self._totals[values] += amount

    def collect(self) -> Iterable[Family]:
        family = Family("histogram", *self._about)
        with self._lock:
            for values, counts in self._counts.items():
                family.add_histogram(values, self._bounds, counts, self._totals[values])
        yield family

    def _begin(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Begin a series, or find the one in its place."""
        if len(self._totals) >= MAX_SERIES:
            values = (OTHER,) * len(values)
        self._counts.setdefault(values, [0] * (len(self._bounds) + 1))
        self._totals.setdefault(values, 0.0)
        return values


class Registry:
    """The collectors of one coordinator."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = [*collectors]

    def register(self, collector: Collector) -> None:
        self._collectors.append(collector)

    def write(self, accepted: str) -> tuple[bytes, str]:
        """What all collectors have now, as an Accept header asks for it, and its content type."""
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - see the docstring

        encode, content_type = choose_encoder(accepted)
        return encode(cast("Any", self)), content_type

    def collect(self) -> Iterator[object]:
        """What all collectors have now, as prometheus-client knows it."""
        from prometheus_client import Metric  # noqa: PLC0415 - see the docstring

        for collector in self._collectors:
            for family in collector.collect():
                metric = Metric(family.name.removesuffix("_total"), family.text, family.kind)
                for sample in family.samples:
                    metric.add_sample(*sample)
                yield metric
