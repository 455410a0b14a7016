"""Waiting for workers: whoever waits is told of the first one, and does not have to look."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace import Cluster, arrival
from headrace.arrival import await_workers
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi
from headrace_wire.key import load_key
from headrace_wire.timeouts import Limit
from support.coordinators import run_coordinator
from support.queue_builders import make_worker
from support.wire_server import PATIENCE_SECONDS


@pytest.fixture
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobQueueApi]:
    folder = tmp_path_factory.mktemp("arrival")
    settings = CoordinatorSettings(
        bind=Address("127.0.0.1", 0), http=None, data=folder, key_file=folder / "key"
    )
    with (
        run_coordinator(settings) as coordinator,
        Cluster(coordinator.bound, load_key(folder / "key")) as cluster,
    ):
        yield cluster.engine.jobs


def test_the_first_worker_is_told_of(jobs: JobQueueApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "LOOK_SECONDS", 2 * PATIENCE_SECONDS)
    looks: list[int] = []

    def look() -> int:
        slots = jobs.info().slots
        looks.append(slots)
        if len(looks) == 1:
            jobs.register(make_worker(), ())
        return slots

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(await_workers, jobs, look)
        assert found.result(PATIENCE_SECONDS) == make_worker().slots
    assert looks == [0, make_worker().slots]


def test_whoever_has_no_time_looks_once_and_finds_nothing(jobs: JobQueueApi) -> None:
    looks: list[None] = []
    assert await_workers(jobs, lambda: looks.append(None), Limit.after(0)) is None
    assert len(looks) == 1
    assert not await_workers(jobs, jobs.workers, Limit.after(0.05))
