"""Jobs that no connected worker could do: people are told once, when that lasts."""

from __future__ import annotations

from headrace_coordinator.queue.events import JobUnschedulable
from headrace_coordinator.queue.unschedulable import UNSCHEDULABLE_SECONDS, note_unschedulable
from support.queue_builders import Rig


def look(rig: Rig, after: float = 0.0) -> list[JobUnschedulable]:
    """What is told at a look so many seconds later."""
    rig.seconds += after
    rig.queue.state.drain_events()
    note_unschedulable(rig.queue.state, rig.now)
    return [one for one in rig.queue.state.drain_events() if isinstance(one, JobUnschedulable)]


def test_a_job_that_waits_for_its_service_is_told_once_and_not_at_once(rig: Rig) -> None:
    rig.join()
    rig.submit(service="primes")
    rig.queue.leasing.leave("w", rig.now)
    assert look(rig) == look(rig, UNSCHEDULABLE_SECONDS - 1) == []
    assert look(rig, 1.0) == [JobUnschedulable("job", "no worker is connected")]
    assert look(rig, UNSCHEDULABLE_SECONDS) == []


def test_workers_with_other_services_do_not_help(rig: Rig) -> None:
    rig.submit(service="images")
    rig.join()
    look(rig)
    assert look(rig, UNSCHEDULABLE_SECONDS) == [
        JobUnschedulable("job", "no connected worker offers 'images'")
    ]


def test_a_worker_that_comes_meanwhile_is_in_time(rig: Rig) -> None:
    rig.submit()
    look(rig)
    rig.seconds += UNSCHEDULABLE_SECONDS - 1
    rig.join()
    assert look(rig) == []
    rig.queue.leasing.leave("w", rig.now)
    assert look(rig, UNSCHEDULABLE_SECONDS) == [], "it has only begun to wait for another one"
    assert len(look(rig, UNSCHEDULABLE_SECONDS)) == 1


def test_a_job_that_runs_and_loses_its_workers_is_told_too_and_told_again(rig: Rig) -> None:
    rig.submit()
    for _ in range(2):
        rig.join()
        assert rig.lease()
        look(rig)
        rig.queue.leasing.leave("w", rig.now)
        look(rig)
        assert [one.job for one in look(rig, UNSCHEDULABLE_SECONDS)] == ["job"]


def test_what_nobody_has_to_do_is_not_unschedulable(rig: Rig) -> None:
    rig.submit("ended")
    rig.queue.intake.cancel("ended", rig.now)
    rig.submit("data", tasks=None, service="data", operation="keep")
    rig.put("data", 0, [b""])
    rig.submit("empty", tasks=None)
    look(rig)
    assert look(rig, UNSCHEDULABLE_SECONDS) == []
