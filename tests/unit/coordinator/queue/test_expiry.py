"""What time alone brings about for jobs: deadlines and expiry."""

from __future__ import annotations

from math import inf

import pytest

from headrace_coordinator.queue.events import JobExpired, MomentSet, OrdersGiven
from headrace_coordinator.queue.rules import Rules
from headrace_wire.errors import EXIT_TASKS_FAILED, JobIncompleteError, UnknownJobError
from headrace_wire.messages.jobs import FAILED, QUEUED, SUCCEEDED
from support.queue_builders import Rig
from support.queue_invariants import check_invariants


@pytest.fixture
def rig() -> Rig:
    return Rig(Rules(result_ttl_seconds=100.0))


def pass_time(rig: Rig, seconds: float) -> None:
    rig.seconds += seconds
    for member in rig.queue.state.members.values():
        member.heard = rig.seconds
    rig.queue.tick(rig.now)
    check_invariants(rig.queue.state)


def test_a_job_past_its_deadline_has_failed_and_says_why(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=10, deadline_seconds=5.0)
    (lease,) = rig.lease()
    rig.finish(lease, 0, 1)
    pass_time(rig, 4.9)
    assert rig.status().finished_at is None
    pass_time(rig, 0.2)
    status = rig.status()
    assert (status.state, status.done, status.cancelled) == (FAILED, 1, 9)
    assert status.ended_because == "its deadline of 5 s passed"
    assert OrdersGiven("w") in rig.queue.state.drain_events(), "running tasks are stopped"
    assert rig.finish(lease, 1, 2).accepted == 0


def test_a_job_that_ended_before_all_of_its_inputs_were_there_says_why(rig: Rig) -> None:
    rig.submit(tasks=None, deadline_seconds=5.0)
    rig.put("job", 0, [b"first"])
    pass_time(rig, 5.1)
    why = r"its deadline of 5 s passed before all of its inputs were there"
    with pytest.raises(JobIncompleteError, match=why) as caught:
        rig.put("job", 1, [b"second"])
    assert caught.value.exit_code == EXIT_TASKS_FAILED, "the command was right"
    with pytest.raises(JobIncompleteError, match=why):
        rig.queue.intake.seal("job", 1, rig.now)


def test_the_next_deadline_is_known(rig: Rig) -> None:
    rig.submit(tasks=10, deadline_seconds=5.0)
    assert rig.queue.next_deadline() == 5.0
    rig.submit("other", tasks=0)
    assert rig.queue.next_deadline() == 5.0
    rig.queue.intake.delete("job")
    assert rig.queue.next_deadline() == 100.0


def test_a_retry_has_the_whole_deadline_again(rig: Rig) -> None:
    rig.submit(tasks=3, deadline_seconds=5.0)
    pass_time(rig, 6)
    assert rig.retry("job").state == QUEUED
    assert rig.status().ended_because == ""
    pass_time(rig, 4)
    rig.join()
    rig.run_to_end()
    assert rig.status().state == SUCCEEDED


def test_a_job_that_ended_is_forgotten_after_its_time(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1)
    (lease,) = rig.lease()
    rig.finish(lease)
    pass_time(rig, 99)
    assert rig.status().state == SUCCEEDED
    pass_time(rig, 1)
    with pytest.raises(UnknownJobError):
        rig.status()
    (expired,) = [e for e in rig.queue.state.drain_events() if isinstance(e, JobExpired)]
    assert expired.result_bytes > 0
    assert rig.queue.state.spool_bytes == 0


def test_very_many_jobs_expire_some_at_a_time(rig: Rig) -> None:
    for number in range(50):
        rig.submit(f"job {number}", tasks=0)
    left: list[int] = []
    for _ in range(3):
        pass_time(rig, 100)
        left.append(len(rig.queue.state.jobs))
    assert left == [30, 10, 0]
    assert rig.queue.next_deadline() == inf


def test_fetching_keeps_a_job(rig: Rig) -> None:
    rig.submit(tasks=0)
    pass_time(rig, 90)
    rig.queue.intake.deliver("job", (), rig.now)
    pass_time(rig, 90)
    assert rig.status().state == SUCCEEDED


def test_a_running_job_never_expires(rig: Rig) -> None:
    rig.submit(tasks=1)
    pass_time(rig, 1000)
    assert rig.status().state == QUEUED


def test_the_ticker_is_told_of_each_new_deadline(rig: Rig) -> None:
    rig.seconds = 3.0
    rig.submit(tasks=2, deadline_seconds=0.5)
    assert MomentSet(3.5) in rig.queue.state.drain_events()
    pass_time(rig, 1.0)
    rig.queue.state.drain_events()
    rig.retry("job")
    assert MomentSet(4.5) in rig.queue.state.drain_events()
