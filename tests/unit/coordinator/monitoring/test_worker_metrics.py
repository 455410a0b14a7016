"""Metrics of the workers that are connected."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headrace_coordinator.monitoring import worker_metrics
from headrace_coordinator.monitoring.series import OTHER
from headrace_coordinator.monitoring.worker_metrics import show_workers
from support.queue_builders import Rig, make_worker

#: What a worker of these tests runs on.
RUNS = {"python": "3", "engine": "pool"}


class Workers(Collector):
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def collect(self) -> Iterator[Metric]:
        return show_workers(self._rig.queue, self._rig.now)


def read(rig: Rig) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Workers(rig))
    return registry


def test_a_worker_says_its_version_and_when_it_was_heard_of() -> None:
    rig = Rig()
    rig.join("w", slots=3)
    rig.seconds = 4.0
    registry = read(rig)
    info = {"worker": "w", "host": "host", "version": "0", **RUNS}
    assert registry.get_sample_value("headrace_worker_info", info) == 1
    assert registry.get_sample_value("headrace_worker_heard_seconds", {"worker": "w"}) == 4
    idle = {"worker": "w", "state": "idle"}
    assert registry.get_sample_value("headrace_worker_slots", idle) == 3


def test_workers_of_one_name_are_added_up() -> None:
    rig = Rig()
    for id_ in ("a", "b"):
        worker = replace(make_worker(id_), name="same", version=f"1.{id_}")
        rig.queue.leasing.register(worker, (), rig.now)
    registry = read(rig)
    assert registry.get_sample_value("headrace_workers") == 2
    idle = {"worker": "same", "state": "idle"}
    assert registry.get_sample_value("headrace_worker_slots", idle) == 4
    for version in ("1.a", "1.b"):
        labels = {"worker": "same", "host": "host", "version": version, **RUNS}
        assert registry.get_sample_value("headrace_worker_info", labels) == 1


def test_so_many_workers_have_series_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_metrics, "MAX_WORKERS", 3)
    rig = Rig()
    for number in range(5):
        rig.join(f"w{number}")
    registry = read(rig)
    assert registry.get_sample_value("headrace_workers") == 5
    other = {"worker": OTHER, "state": "idle"}
    assert registry.get_sample_value("headrace_worker_slots", other) == 4
    by_worker = [family for family in registry.collect() if "worker_" in family.name]
    for family in by_worker:
        assert len({sample.labels["worker"] for sample in family.samples}) <= 4
