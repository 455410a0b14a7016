"""A lease from before a restart of the coordinator counts for the worker that has its proof."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from headrace_coordinator.queue.events import LeasesUnproven
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.lease_proofs import LeaseProofs
from headrace_coordinator.queue.members import show_id
from headrace_coordinator.queue.past_leases import PastLease
from headrace_coordinator.queue.queue import Queue
from headrace_wire.batch import pack_batch
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.logs import JobLines, LogLine
from headrace_wire.messages.reports import DoneSpan, Receipt, Report, ReturnedSpan
from headrace_wire.messages.spans import HeldSpan
from support.queue_builders import Rig, at, claim, make_spec, make_worker

KEY, ANOTHER_KEY = "worker", "lab"

#: An administrator's, who may speak for all workers.
OWN_KEY = ""

NEXT_LEASE = 1 << 50


def take_lease(rig: Rig, worker: str = "good", tasks: int = 8, key: str = KEY) -> HeldLease:
    """Let a job in, and have a worker lease first tasks of it."""
    rig.queue.leasing.register(make_worker(worker), (), rig.now, key)
    rig.submit(tasks=tasks)
    return rig.queue.leasing.lease(LeaseRequest(worker, 1, 2, 0.0, ()), rig.now, key)[0]


def restart(
    rig: Rig, proofs: LeaseProofs | None = None, *, jobs: tuple[str, ...] = ("job",)
) -> None:
    """A new queue over the same store, in which nobody holds anything."""
    before = rig.queue.state
    rig.queue = Queue(first_lease=before.next_lease + NEXT_LEASE, proofs=proofs or rig.proofs)
    for one in jobs:
        old = before.jobs[one]
        restored = Job(old.spec, submitted_at=old.submitted_at, tasks=old.tasks, sealed=True)
        for start, stop in old.done:
            restored.done.add(start, stop)
        restored.settle(rig.now.monotonic, rig.now.at)
        rig.queue.restore(restored, (), rig.now)


def report(
    rig: Rig,
    run: HeldSpan,
    *,
    by: str = "good",
    key: str = KEY,
    part: tuple[int, int] | None = None,
    job: str = "job",
) -> Receipt:
    """Report tasks of a lease as done, all of them or a part, with the lease as claimed."""
    start, stop = part or (run.start, run.stop)
    values = pack_batch([b"value"] * (stop - start))
    span = DoneSpan(run.lease, job, start, stop, values, 0.0, 0.0)
    return rig.queue.outcomes.report(Report(by, 1, (span,), (), (), (), held=(run,)), rig.now, key)


def list_warnings(rig: Rig) -> list[tuple[str, int]]:
    happened = rig.queue.state.drain_events()
    return [(it.worker, it.leases) for it in happened if isinstance(it, LeasesUnproven)]


def test_a_lease_from_before_is_the_worker_s_again_when_it_registers(rig: Rig) -> None:
    lease = take_lease(rig)
    restart(rig)
    rig.queue.leasing.register(make_worker("good"), [claim(lease)], rig.now, KEY)
    (held,) = rig.queue.state.leases.values()
    assert (held.id, held.start, held.stop) == (lease.id, lease.start, lease.stop)
    assert report(rig, claim(lease)).accepted == lease.stop - lease.start
    assert list_warnings(rig) == []


def test_what_was_done_meanwhile_counts_before_the_worker_has_registered_again(rig: Rig) -> None:
    lease = take_lease(rig)
    restart(rig)
    assert report(rig, claim(lease)).accepted == lease.stop - lease.start


def test_parts_of_a_lease_are_reported_one_after_the_other(rig: Rig) -> None:
    lease = take_lease(rig)
    middle = lease.start + 1
    assert report(rig, claim(lease), part=(lease.start, middle)).accepted == 1
    restart(rig)
    rest = (middle, lease.stop)
    assert report(rig, claim(lease), part=rest).accepted == lease.stop - middle
    assert rig.status().done == lease.stop - lease.start


def test_a_report_that_was_committed_is_dropped_and_nothing_is_lost(rig: Rig) -> None:
    lease = take_lease(rig)
    tasks = lease.stop - lease.start
    assert report(rig, claim(lease)).accepted == tasks
    # The coordinator went before it answered; the worker sends the same report to the next one.
    restart(rig)
    receipt = report(rig, claim(lease))
    assert (receipt.accepted, receipt.dropped) == (0, tasks)
    assert rig.status().done == tasks


def test_a_task_may_run_twice_and_has_one_outcome(rig: Rig) -> None:
    lease = take_lease(rig)
    restart(rig)
    rig.join("early")
    (second, *_) = rig.lease("early")
    assert (second.start, second.stop) == (lease.start, lease.stop)
    # The worker that still has these tasks comes back later, and is done first.
    rig.queue.leasing.register(make_worker("good"), [claim(lease)], rig.now, KEY)
    first = report(rig, claim(lease))
    late = rig.finish(second)
    tasks = lease.stop - lease.start
    assert (first.accepted, first.dropped) == (tasks, 0)
    assert (late.accepted, late.dropped) == (0, tasks)
    assert rig.status().done == tasks


FORGERIES: dict[str, dict[str, Any]] = {
    "no proof": {"proof": ""},
    "a made-up proof": {"proof": f"{'0' * 32}:1:{KEY}"},
    "a proof that is no proof": {"proof": "::::"},
    "a proof of characters that no digest has": {"proof": f"é:1:{KEY}"},
    "another number": {"lease": 7},
    "an earlier start": {"start": 0},
    "a later stop": {"stop": 20},
    "another attempt": {"attempt": 2},
    "another job": {"job": "other"},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_proof_holds_for_its_lease_alone(rig: Rig, forgery: str) -> None:
    take_lease(rig, tasks=30)
    lease = rig.queue.leasing.lease(LeaseRequest("good", 2, 2, 0.0, ()), rig.now, KEY)[0]
    rig.submit("other", 30)
    restart(rig, jobs=("job", "other"))
    forged = claim(lease, **FORGERIES[forgery])
    assert report(rig, forged, job=forged.job).accepted == 0
    rig.queue.leasing.register(make_worker("good"), [forged], rig.now, KEY)
    assert not rig.queue.state.leases
    assert list_warnings(rig) == [(show_id("good"), 1), ("good", 1)]
    assert report(rig, claim(lease)).accepted == lease.stop - lease.start


def test_a_part_that_was_not_granted_is_not_accepted_with_a_proof(rig: Rig) -> None:
    lease = take_lease(rig)
    restart(rig)
    assert report(rig, claim(lease), part=(lease.start, lease.stop + 1)).accepted == 0


@pytest.mark.parametrize(
    ("worker", "key"),
    [("evil", KEY), ("evil", ANOTHER_KEY), ("good", ANOTHER_KEY), ("evil", OWN_KEY)],
)
def test_who_overheard_a_proof_has_nothing_of_it(rig: Rig, worker: str, key: str) -> None:
    lease = take_lease(rig)
    restart(rig)
    assert report(rig, claim(lease), by=worker, key=key).accepted == 0
    rig.queue.leasing.register(make_worker(worker), [claim(lease)], rig.now, key)
    assert not rig.queue.state.leases
    assert list_warnings(rig) == [(show_id(worker), 1), (worker, 1)]
    assert rig.status().done == 0


def test_a_worker_that_was_started_again_has_another_id_and_nothing_of_before(rig: Rig) -> None:
    lease = take_lease(rig)
    restart(rig)
    rig.queue.leasing.register(make_worker("good2"), [claim(lease)], rig.now, KEY)
    assert not rig.queue.state.leases
    taken = rig.queue.leasing.lease(LeaseRequest("good2", 1, 2, 0.0, ()), rig.now, KEY)
    assert taken[0].start == lease.start


def test_a_rotated_key_keeps_its_name_and_so_its_leases(rig: Rig) -> None:
    lease = take_lease(rig, key=KEY)
    restart(rig)
    # Both keys of a rotation have the name of their role.
    assert report(rig, claim(lease), key=KEY).accepted > 0


def test_a_lease_of_one_key_is_not_another_s_but_an_administrator_s(rig: Rig) -> None:
    lease = take_lease(rig, key=KEY)
    restart(rig)
    assert report(rig, claim(lease), key=ANOTHER_KEY).accepted == 0
    assert report(rig, claim(lease), key=OWN_KEY).accepted > 0


def test_workers_without_roles_keep_their_leases(rig: Rig) -> None:
    lease = take_lease(rig, key=OWN_KEY)
    restart(rig)
    assert report(rig, claim(lease), key=KEY).accepted == 0
    assert report(rig, claim(lease), key=OWN_KEY).accepted > 0


def test_with_another_secret_the_work_is_done_again(rig: Rig) -> None:
    lease = take_lease(rig)
    restart(rig, LeaseProofs(b"of a store that was moved without it"))
    rig.queue.leasing.register(make_worker("good"), [claim(lease)], rig.now, KEY)
    assert report(rig, claim(lease)).accepted == 0
    again = rig.queue.leasing.lease(LeaseRequest("good", 2, 2, 0.0, ()), rig.now, KEY)[0]
    assert (again.start, again.stop) == (lease.start, lease.stop)
    assert report(rig, claim(again)).accepted == again.stop - again.start


def test_without_proofs_nothing_from_before_is_known_again(rig: Rig) -> None:
    rig.queue = Queue()
    lease = take_lease(rig)
    assert lease.proof == ""
    restart(rig)
    assert report(rig, claim(lease)).accepted == 0


def test_leases_of_several_queues_before_are_known_again(rig: Rig) -> None:
    first = take_lease(rig)
    restart(rig)
    rig.queue.leasing.register(make_worker("good"), [claim(first)], rig.now, KEY)
    second = rig.queue.leasing.lease(LeaseRequest("good", 2, 2, 0.0, ()), rig.now, KEY)[0]
    restart(rig)
    rig.queue.leasing.register(make_worker("good"), map(claim, (first, second)), rig.now, KEY)
    assert set(rig.queue.state.leases) == {first.id, second.id}


def test_a_job_that_came_later_under_the_same_id_has_no_leases_from_before(rig: Rig) -> None:
    lease = take_lease(rig)
    rig.queue.intake.delete("job")
    rig.seconds += 1
    rig.queue.intake.submit(make_spec(tasks=8), rig.now)
    assert report(rig, claim(lease)).accepted == 0
    restart(rig)
    assert report(rig, claim(lease)).accepted == 0
    rig.queue.leasing.register(make_worker("good"), [claim(lease)], rig.now, KEY)
    assert not rig.queue.state.leases


def test_a_job_that_is_gone_is_nobody_s_fault(rig: Rig) -> None:
    lease = take_lease(rig)
    restart(rig, jobs=())
    rig.queue.leasing.register(make_worker("good"), [claim(lease)], rig.now, KEY)
    assert report(rig, claim(lease)).accepted == 0
    assert list_warnings(rig) == []
    assert rig.queue.leasing.take_orders("good").cancelled_jobs == ("job",)


def test_a_job_that_ended_keeps_its_outcomes(rig: Rig) -> None:
    lease = take_lease(rig, tasks=1)
    assert report(rig, claim(lease)).accepted == 1
    restart(rig)
    assert report(rig, claim(lease)).accepted == 0
    assert rig.status().state == "succeeded"


def test_after_a_retry_a_late_report_counts_as_without_a_restart(rig: Rig) -> None:
    lease = take_lease(rig)
    rig.queue.intake.cancel("job", rig.now)
    restart(rig)
    rig.queue.intake.cancel("job", rig.now)
    assert report(rig, claim(lease)).accepted == 0
    rig.retry()
    assert report(rig, claim(lease)).accepted == lease.stop - lease.start


@pytest.mark.parametrize("engines", [(), ("primes+x",)])
def test_values_count_only_of_a_worker_that_had_what_the_job_needs(
    rig: Rig, engines: tuple[str, ...]
) -> None:
    rig.queue.leasing.register(make_worker("w", 2, ("primes", *engines)), (), rig.now, KEY)
    rig.submit(tasks=1, needs="primes+x")
    (lease,) = rig.queue.leasing.lease(LeaseRequest("w", 1, 2, 0.0, ()), rig.now, KEY)
    restart(rig)
    digest, met_needs, key = lease.proof.split(":")
    assert met_needs == str(len(engines))
    forged = claim(lease, proof=f"{digest}:{1 - len(engines)}:{key}")
    assert report(rig, forged, by="w").accepted == 0
    assert report(rig, claim(lease), by="w").accepted == len(engines)


def test_tasks_are_returned_by_whoever_holds_them(rig: Rig) -> None:
    lease = take_lease(rig)
    restart(rig)
    rig.queue.leasing.register(make_worker("good"), [claim(lease)], rig.now, KEY)
    returned = (ReturnedSpan(lease.id, "job", lease.start, lease.stop),)
    stolen = Report("evil", 1, (), (), returned, (), held=(claim(lease),))
    rig.queue.outcomes.report(stolen, rig.now, KEY)
    assert rig.queue.state.leases
    rig.queue.outcomes.report(replace(stolen, worker="good"), rig.now, KEY)
    assert not rig.queue.state.leases


@pytest.mark.parametrize(("worker", "proven", "kept"), [
    ("good", True, 1), ("good", False, 0), ("evil", True, 0),
])  # fmt: skip
def test_log_lines_are_taken_of_workers_that_had_tasks_of_the_job(
    rig: Rig, worker: str, proven: bool, kept: int
) -> None:
    lease = take_lease(rig)
    restart(rig)
    lines = JobLines("job", (LogLine(0.0, "info", "", 0, "hello"),))
    held = (claim(lease),) if proven else ()
    said = Report(worker, 1, (), (), (), (), (lines,), held)
    rig.queue.outcomes.report(said, rig.now, KEY)
    assert rig.queue.state.jobs["job"].log.lines == kept


def test_the_last_lines_of_a_job_that_has_ended_are_taken(rig: Rig) -> None:
    lease = take_lease(rig, tasks=1)
    report(rig, claim(lease))
    restart(rig)
    lines = JobLines("job", (LogLine(0.0, "info", "", 0, "goodbye"),))
    said = Report("good", 2, (), (), (), (), (lines,), (claim(lease),))
    rig.queue.outcomes.report(said, rig.now, KEY)
    assert rig.queue.state.jobs["job"].log.lines == 1


def test_no_two_leases_have_the_same_proof() -> None:
    proofs = LeaseProofs(b"secret")
    lease = PastLease("job", "w", "k", 0, 1, 0.0, met_needs=True)
    others = [
        replace(lease, job="jo", worker="bw"),
        replace(lease, worker="wk", key=""),
        replace(lease, start=1, stop=2),
        replace(lease, submitted_at=1.0),
    ]
    made = {proofs.sign(1, 1, one).partition(":")[0] for one in (lease, *others)}
    made |= {proofs.sign(number, attempt, lease).partition(":")[0] for number, attempt in
             [(1, 2), (2, 1), (11, 1), (1, 11)]}  # fmt: skip
    assert len(made) == 9


def test_the_same_lease_has_the_same_proof_at_any_time() -> None:
    rig = Rig()
    rig.seconds = 5.0
    assert rig.now == at(5.0)
    lease = PastLease("job", "w", KEY, 0, 1, rig.now.at, met_needs=False)
    run = HeldSpan(4, "job", 0, 1, 3, proof=LeaseProofs(b"one").sign(4, 3, lease))
    assert LeaseProofs(b"one").open(run, "w", rig.now.at) == lease
    assert LeaseProofs(b"two").open(run, "w", rig.now.at) is None
