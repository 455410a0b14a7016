"""A worker speaks for itself alone: what it reports and registers counts for its own leases."""

from __future__ import annotations

import pytest

from headrace_coordinator.queue import past_leases
from headrace_coordinator.queue.events import TaskDead
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_wire.batch import pack_batch
from headrace_wire.errors import NotAllowedError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.logs import JobLines, LogLine
from headrace_wire.messages.reports import DoneSpan, Report, ReturnedSpan
from headrace_wire.messages.workers import Heartbeat
from support.queue_builders import Rig, claim, make_worker

KEY, ANOTHER_KEY = "worker", "lab"

LEASE_SECONDS = 15.0


def take_lease(rig: Rig, worker: str = "good", tasks: int = 4) -> HeldLease:
    """Let a job in, and have a worker lease a first task of it."""
    rig.join(worker)
    rig.submit(tasks=tasks)
    return rig.lease(worker)[0]


def say_done(lease: HeldLease, *, by: str) -> Report:
    tasks = lease.stop - lease.start
    values = pack_batch([b"forged"] * tasks)
    span = DoneSpan(lease.id, lease.job, lease.start, lease.stop, values, 0.0, 0.0)
    return Report(by, 1, (span,), (), (), ())


def test_another_worker_s_lease_cannot_be_reported(rig: Rig) -> None:
    lease = take_lease(rig)
    rig.join("evil")
    for report in (
        say_done(lease, by="evil"),
        Report("evil", 2, (), (), (ReturnedSpan(lease.id, "job", lease.start, lease.stop),), ()),
    ):
        receipt = rig.queue.outcomes.report(report, rig.now)
        assert receipt.accepted == 0
        assert list(lease.held) == [(lease.start, lease.stop)]
    assert rig.finish(lease).accepted == lease.stop - lease.start


def test_what_is_handed_back_does_not_count_in_the_share_of_its_job(rig: Rig) -> None:
    take_lease(rig)
    job = rig.queue.state.jobs["job"]
    before = job.virtual_seconds
    (more,) = rig.lease("good", 3)
    assert job.virtual_seconds > before
    rig.queue.leasing.hand_back(more.id, more.start, more.stop, rig.now)
    assert job.virtual_seconds == pytest.approx(before)


def test_another_worker_s_task_cannot_be_made_to_fail(rig: Rig) -> None:
    lease = take_lease(rig)
    assert rig.fail(replace_worker(lease, "evil"), lease.start).accepted == 0
    assert rig.status().failed == 0
    assert rig.fail(lease, lease.start).accepted == 1


def replace_worker(lease: HeldLease, worker: str) -> HeldLease:
    return HeldLease(
        lease.id, lease.job, worker, lease.attempt, lease.start, lease.stop, lease.held, 1
    )


@pytest.mark.parametrize("beyond", ["leases", "tasks", "jobs"])
def test_what_was_never_granted_cannot_be_reported(rig: Rig, beyond: str) -> None:
    lease = take_lease(rig, tasks=10)
    rig.submit("other", 10)
    forged = replace_worker(lease, "good")
    match beyond:
        case "leases":
            forged.id += 1
        case "tasks":
            forged.stop += 1
        case _:
            forged.job = "other"
    assert rig.queue.outcomes.report(say_done(forged, by="good"), rig.now).accepted == 0


def test_a_late_report_counts_for_whoever_held_the_lease_and_nobody_else(rig: Rig) -> None:
    lease = take_lease(rig)
    start, stop = lease.start, lease.stop
    rig.seconds += LEASE_SECONDS + 1
    rig.queue.tick(rig.now)
    assert not rig.queue.state.leases
    rig.join("evil")
    assert rig.queue.outcomes.report(say_done(lease, by="evil"), rig.now).accepted == 0
    assert rig.queue.outcomes.report(say_done(lease, by="good"), rig.now).accepted == stop - start


def test_a_late_report_with_another_key_does_not_count(rig: Rig) -> None:
    rig.submit()
    rig.queue.leasing.register(make_worker("good"), (), rig.now, KEY)
    (lease, *_) = rig.queue.leasing.lease(LeaseRequest("good", 1, 2, 0.0, ()), rig.now, KEY)
    rig.queue.leasing.leave("good", rig.now, KEY)
    report = say_done(lease, by="good")
    assert rig.queue.outcomes.report(report, rig.now, ANOTHER_KEY).accepted == 0
    assert rig.queue.outcomes.report(report, rig.now, KEY).accepted > 0


def lease_needy(rig: Rig, worker: str, *engines: str) -> HeldLease:
    """Have a worker with these engines lease the one task of a job that needs "primes+x"."""
    rig.join(worker, services=("primes", *engines))
    if "needy" not in rig.queue.state.jobs:
        rig.submit("needy", tasks=1, needs="primes+x", retries=0)
    return rig.lease(worker)[0]


def test_values_count_only_of_a_worker_with_what_the_job_needs(rig: Rig) -> None:
    held = lease_needy(rig, "plain")
    assert rig.queue.outcomes.report(say_done(held, by="plain"), rig.now).accepted == 0
    rig.queue.leasing.leave("plain", rig.now)
    assert rig.queue.outcomes.report(say_done(held, by="plain"), rig.now).accepted == 0
    held = lease_needy(rig, "able", "primes+x")
    assert rig.queue.outcomes.report(say_done(held, by="able"), rig.now).accepted == 1
    assert rig.status("needy").state == "succeeded"


@pytest.mark.parametrize(("engines", "told"), [((), b""), (("primes+x",), b"pickled")])
def test_of_another_worker_not_even_an_exception_is_passed_on(
    rig: Rig, engines: tuple[str, ...], told: bytes
) -> None:
    held = lease_needy(rig, "w", *engines)
    failure = TaskFailure(held.id, "needy", 0, 1, "error", detail=b"pickled")
    assert rig.report("w", failures=(failure,)).accepted == 1
    (death,) = [one for one in rig.queue.state.drain_events() if isinstance(one, TaskDead)]
    assert death.failure.detail == told


def test_only_so_many_past_leases_are_remembered(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_leases, "MAX_PAST_LEASES", 1)
    lease = take_lease(rig)
    rig.beat("good")
    rig.lease("good")
    rig.beat("good")
    assert rig.queue.outcomes.report(say_done(lease, by="good"), rig.now).accepted == 0


def test_a_lease_that_was_not_given_out_yet_is_not_adopted(rig: Rig) -> None:
    lease = take_lease(rig, tasks=20)
    forged = [
        claim(lease, lease=lease.id + ahead, start=10 + ahead, stop=11 + ahead)
        for ahead in range(1, 6)
    ]
    rig.queue.leasing.register(make_worker("evil"), forged, rig.now)
    assert not rig.queue.state.members["evil"].leases
    assert {held.worker for held in rig.lease("good")} == {"good"}


def test_a_lease_of_another_worker_is_not_adopted(rig: Rig) -> None:
    lease = take_lease(rig)
    rig.seconds += LEASE_SECONDS + 1
    rig.queue.tick(rig.now)
    rig.queue.leasing.register(make_worker("evil"), [claim(lease)], rig.now)
    assert not rig.queue.state.leases
    rig.queue.leasing.register(make_worker("good"), [claim(lease)], rig.now)
    assert not rig.queue.state.leases  # the attempt was charged: it waits as another one
    rig.seconds += 1
    assert rig.lease("good")


def test_a_worker_that_was_thought_lost_has_its_lease_again(rig: Rig) -> None:
    lease = take_lease(rig)
    rig.queue.leasing.leave("good", rig.now)
    rig.queue.leasing.register(make_worker("good"), [claim(lease)], rig.now)
    assert list(rig.queue.state.leases) == [lease.id]


def test_a_worker_is_spoken_for_with_its_own_key_alone(rig: Rig) -> None:
    leasing = rig.queue.leasing
    leasing.register(make_worker("w"), (), rig.now, KEY)
    beat = Heartbeat("w", 0, (), 0, 0, False, 0.0)
    for call in (
        lambda key: leasing.register(make_worker("w"), (), rig.now, key),
        lambda key: leasing.lease(LeaseRequest("w", 1, 1, 0.0, ()), rig.now, key),
        lambda key: leasing.heartbeat(beat, rig.now, key),
        lambda key: rig.queue.outcomes.report(Report("w", 1, (), (), (), ()), rig.now, key),
        lambda key: leasing.leave("w", rig.now, key),
    ):
        with pytest.raises(NotAllowedError, match="worker 'w' was registered with another key"):
            call(ANOTHER_KEY)
        call(KEY)


def test_whoever_may_speak_for_all_workers_keeps_its_own_from_others(rig: Rig) -> None:
    rig.join("w")
    with pytest.raises(NotAllowedError):
        rig.queue.leasing.leave("w", rig.now, KEY)


def test_log_lines_are_taken_of_workers_that_had_tasks_of_the_job(rig: Rig) -> None:
    rig.submit()
    for worker in ("good", "evil"):
        rig.queue.leasing.register(make_worker(worker), (), rig.now, KEY)
    rig.queue.leasing.lease(LeaseRequest("good", 1, 2, 0.0, ()), rig.now, KEY)
    lines = JobLines("job", (LogLine(0.0, "info", "", 0, "hello"),))
    for worker, kept in (("evil", 0), ("good", 1)):
        report = Report(worker, 1, (), (), (), (), (lines,))
        rig.queue.outcomes.report(report, rig.now, KEY)
        assert rig.queue.state.jobs["job"].log.lines == kept


def test_a_worker_cannot_say_that_the_client_took_a_task_back(rig: Rig) -> None:
    lease = take_lease(rig)
    assert rig.fail(lease, lease.start, "withdrawn").accepted == 1
    (death,) = [one for one in rig.queue.state.drain_events() if isinstance(one, TaskDead)]
    assert death.failure.reason == "error"
