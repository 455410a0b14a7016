"""Metrics of what happens to jobs and tasks."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from headrace_coordinator.monitoring.metrics import CoordinatorMetrics
from headrace_wire.messages.jobs import DATA_SERVICE
from support.queue_builders import Rig

NAMES = {"service": "primes", "operation": "count"}


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.join()
    return made


def read(rig: Rig) -> CollectorRegistry:
    """What the metrics are after all that has happened to a queue."""
    metrics = CoordinatorMetrics()
    metrics.note_events(rig.queue.state.drain_events())
    return metrics.registry


def test_jobs_are_counted_by_the_state_in_which_they_end(rig: Rig) -> None:
    rig.submit("done", tasks=1)
    (lease,) = rig.lease()
    rig.seconds = 7.0
    rig.finish(lease)
    rig.submit("failed", tasks=1, retries=0)
    (lease,) = rig.lease()
    rig.fail(lease, 0)
    rig.submit("cancelled")
    rig.queue.intake.cancel("cancelled", rig.now)
    registry = read(rig)
    for state in ("succeeded", "failed", "cancelled"):
        counted = registry.get_sample_value(
            "headrace_jobs_finished_total", {**NAMES, "state": state}
        )
        assert counted == 1
    assert registry.get_sample_value("headrace_job_seconds_count", NAMES) == 3


def test_what_holds_data_for_other_jobs_is_no_job_that_ends(rig: Rig) -> None:
    rig.submit("data", service=DATA_SERVICE, operation="keep")
    rig.queue.intake.cancel("data", rig.now)
    finished = [family for family in read(rig).collect() if family.name == "headrace_jobs_finished"]
    assert finished[0].samples == []


def test_a_task_that_is_tried_again_is_a_retry_and_one_that_is_dead_is_none(rig: Rig) -> None:
    rig.submit(tasks=1, retries=1)
    (lease,) = rig.lease()
    rig.fail(lease, 0)
    assert read(rig).get_sample_value("headrace_retries_total", NAMES) == 1
    rig.seconds = 100.0
    (lease,) = rig.lease()
    rig.fail(lease, 0)
    registry = read(rig)
    assert registry.get_sample_value("headrace_retries_total", NAMES) is None
    dead = registry.get_sample_value("headrace_tasks_total", {**NAMES, "outcome": "failed"})
    assert dead == 1


def test_tasks_of_a_worker_that_is_lost_are_retries_and_the_worker_is_gone(rig: Rig) -> None:
    rig.submit(tasks=3)
    leased = sum(lease.stop - lease.start for lease in rig.lease())
    rig.seconds = 1000.0
    rig.queue.leasing.expire(rig.now)
    registry = read(rig)
    assert registry.get_sample_value("headrace_retries_total", NAMES) == leased
    assert registry.get_sample_value("headrace_workers_gone_total", {"how": "silent"}) == 1
    assert registry.get_sample_value("headrace_workers_gone_total", {"how": "left"}) == 0
