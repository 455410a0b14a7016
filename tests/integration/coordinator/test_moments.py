"""Moments are kept: what is due in a fraction of a second happens then, not at the next second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.serving.topics import name_topic
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import FAILED
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import Report
from headrace_wire.messages.results import FetchRequest
from support.commands import wait_until
from support.coordinators import run_coordinator
from support.queue_builders import make_spec, make_worker

#: Seconds by which the best of several attempts may be late on a busy machine.
LATE_SECONDS = 0.15

#: Attempts; any of them may be late where other programs have the processor.
ATTEMPTS = 6


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    settings = CoordinatorSettings(
        tmp_path / "data", tmp_path / "key", bind=Address("127.0.0.1", 0), http=None
    )
    with run_coordinator(settings) as running:
        yield running


@pytest.fixture
def manager(coordinator: Coordinator, tmp_path: Path) -> Iterator[QueueManager]:
    opened = QueueManager(coordinator.bound, load_key(tmp_path / "key"))
    yield opened
    opened.close()


def test_a_job_ends_at_its_deadline_and_not_at_the_next_second(manager: QueueManager) -> None:
    jobs, results = manager.jobs(), manager.results()
    late: list[float] = []
    for number in range(ATTEMPTS):
        begun = time.monotonic()
        jobs.submit(make_spec(f"job-{number}", 1, deadline_seconds=0.3))
        fetched = results.fetch(FetchRequest(f"job-{number}", 0, True, 0, 20.0, 0))
        late.append(time.monotonic() - begun - 0.3)
        assert fetched.status.state == FAILED
    assert min(late) >= -0.01
    assert min(late) < LATE_SECONDS, late


def test_a_failed_task_is_leased_again_when_its_pause_is_over(manager: QueueManager) -> None:
    jobs, results = manager.jobs(), manager.results()
    jobs.register(make_worker(), ())
    late: list[float] = []
    for number in range(1, ATTEMPTS + 1):
        jobs.submit(make_spec(f"job-{number}", 1, retries=1, retry_delay_seconds=0.4))
        (first,) = jobs.lease(LeaseRequest("w", 2 * number, 1, 20.0, ())).leases
        failure = TaskFailure(
            first.id, first.job, 0, 1, "error", "", "ValueError", "no", "", "", "w", 0.0, 0.0
        )
        begun = time.monotonic()
        results.report(Report("w", number, (), (failure,), (), (), ()))
        (again,) = jobs.lease(LeaseRequest("w", 2 * number + 1, 1, 20.0, ())).leases
        late.append(time.monotonic() - begun - 0.2)  # of task 0 half of the delay
        assert (again.job, again.attempt) == (first.job, 2)
    assert min(late) >= -0.01
    assert min(late) < LATE_SECONDS, late


def test_whoever_waits_for_values_is_told_when_their_worker_has_no_slots_any_more(
    coordinator: Coordinator, manager: QueueManager
) -> None:
    jobs, results = manager.jobs(), manager.results()
    worker = replace(make_worker(), engine="dask")
    jobs.register(worker, ())
    jobs.submit(make_spec("job", 1))
    assert jobs.lease(LeaseRequest("w", 1, 1, 20.0, ())).leases
    with ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(results.fetch, FetchRequest("job", 0, True, 0, 20.0, 0))
        wait_until(lambda: coordinator._waiters.count_waiters(name_topic("job", "job")))
        begun = time.monotonic()
        jobs.register(replace(worker, slots=0, slots_limit="the cluster has gone"), ())
        assert fetched.result().status.waiting_for == (
            "the workers that hold its tasks have no slots at present: the cluster has gone"
        )
        assert time.monotonic() - begun < 10.0, "long before the long-poll is over"
