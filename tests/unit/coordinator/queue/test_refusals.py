"""Workers that are not allowed to do a job: it goes to those that are."""

from __future__ import annotations

import pytest

from headrace_coordinator.queue.events import TaskDead
from headrace_wire.messages.failures import ERROR, REFUSED
from headrace_wire.messages.jobs import FAILED, SUCCEEDED
from support.queue_builders import Rig
from support.queue_invariants import check_invariants


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.join("strict")
    made.join("open")
    made.submit(tasks=6)
    return made


def refuse(rig: Rig, worker: str) -> None:
    for lease in rig.lease(worker):
        for index in range(lease.start, lease.stop):
            rig.fail(lease, index, REFUSED)
    check_invariants(rig.queue.state)


def test_a_refused_task_goes_uncharged_to_a_worker_that_may(rig: Rig) -> None:
    refuse(rig, "strict")
    assert rig.status().waiting == 6
    assert rig.lease("strict") == [], "it is not asked again"
    while leases := rig.lease("open"):
        for lease in leases:
            assert lease.attempt == 1
            rig.finish(lease)
    assert rig.status().state == SUCCEEDED


def test_when_every_worker_refuses_the_tasks_fail_with_the_refusal(rig: Rig) -> None:
    for worker in ("strict", "open", "strict", "open", "strict", "open", "strict"):
        refuse(rig, worker)
    assert (rig.status().state, rig.status().failed) == (FAILED, 6)
    dead = [event for event in rig.queue.state.events if isinstance(event, TaskDead)]
    assert {event.failure.reason for event in dead} == {ERROR}


def test_a_worker_that_joins_later_is_asked(rig: Rig) -> None:
    refuse(rig, "strict")
    rig.queue.leasing.leave("open", rig.now)
    rig.join("late")
    assert rig.lease("strict") == []
    assert rig.lease("late")


def test_other_jobs_go_on_where_one_was_refused(rig: Rig) -> None:
    refuse(rig, "strict")
    rig.submit("other", tasks=2)
    assert [lease.job for lease in rig.lease("strict")] == ["other"]
