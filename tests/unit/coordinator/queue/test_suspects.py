"""Tasks that are lost with their workers: who is to blame, and who takes up what it held."""

from __future__ import annotations

from headrace_coordinator.queue.events import TaskDead, WorkAppeared
from headrace_wire.messages.failures import LOST
from headrace_wire.messages.jobs import FAILED, SUCCEEDED
from headrace_wire.messages.spans import HeldSpan
from headrace_wire.messages.workers import Heartbeat
from support.queue_builders import Rig, claim, make_worker
from support.queue_invariants import check_invariants

POISON = 7


def die(rig: Rig, worker: str) -> None:
    """Let a worker fall silent for longer than its lease."""
    rig.seconds += 16
    for other in rig.queue.state.members.values():
        if other.info.id != worker:
            other.heard = rig.seconds
    rig.queue.tick(rig.now)
    check_invariants(rig.queue.state)


def test_only_the_task_that_kills_its_worker_dies_whatever_runs_beside_it(rig: Rig) -> None:
    rig.submit("bad", tasks=40)
    rig.submit("good", tasks=40)
    losses = 0
    while rig.status("bad").finished_at is None or rig.status("good").finished_at is None:
        rig.join(f"w{losses}", slots=8)
        leases = rig.lease(f"w{losses}", slots=8)
        check_invariants(rig.queue.state)
        if any(lease.job == "bad" and POISON in lease.held for lease in leases):
            die(rig, f"w{losses}")
            losses += 1
            assert losses < 10
            continue
        for lease in leases:
            rig.finish(lease)
    assert (rig.status("good").state, rig.status("good").done) == (SUCCEEDED, 40)
    assert (rig.status("bad").state, rig.status("bad").done) == (FAILED, 39)
    (dead,) = [event for event in rig.queue.state.events if isinstance(event, TaskDead)]
    assert (dead.failure.index, dead.failure.reason) == (POISON, LOST)


def test_a_suspect_waits_for_a_worker_that_holds_nothing_else(rig: Rig) -> None:
    rig.submit("bad", tasks=1)
    for worker in ("a", "b"):
        rig.join(worker)
        assert rig.lease(worker)
        die(rig, worker)
    rig.join("c")
    rig.submit("other", tasks=100, priority=1)
    (busy,) = rig.lease("c")
    assert busy.job == "bad", "it holds nothing, so it gets the suspect, and that alone"
    assert rig.lease("c") == []
    rig.join("d")
    (other,) = rig.lease("d")
    assert other.job == "other"
    rig.finish(busy)
    assert [lease.job for lease in rig.lease("c")] == ["other"]


def test_when_the_last_task_of_a_cleared_worker_ends_it_hears_of_it(rig: Rig) -> None:
    rig.join("c")
    rig.submit("other", tasks=50)
    (other,) = rig.lease("c")
    rig.submit("bad", tasks=1, priority=5)
    for worker in ("a", "b"):
        rig.join(worker, slots=1)
        (lease,) = rig.lease(worker, slots=1)
        assert lease.job == "bad"
        die(rig, worker)
    assert rig.lease("c") == [], "it is being cleared"
    assert rig.queue.state.clearing == "c"
    rig.queue.state.drain_events()
    rig.finish(other)
    assert WorkAppeared() in rig.queue.state.drain_events()
    (lease,) = rig.lease("c")
    assert (lease.job, lease.alone) == ("bad", True)


def test_a_returning_worker_keeps_what_still_waits(rig: Rig) -> None:
    rig.join("a")
    rig.submit(tasks=2)
    (lease,) = rig.lease("a")
    # The coordinator is restarted: jobs are there, leases are not.
    rig.queue.leasing.leave("a", rig.now)
    rig.queue.leasing.register(make_worker("a"), (claim(lease),), rig.now)
    check_invariants(rig.queue.state)
    assert rig.status().leased == 2
    rig.join("b")
    assert rig.lease("b") == [], "nobody else gets it"
    rig.finish(lease)
    assert rig.status().state == SUCCEEDED


def test_a_heartbeat_from_before_the_lease_does_not_take_it_back(rig: Rig) -> None:
    rig.join("a")
    rig.submit(tasks=2)
    before = rig.requests.get("a", 0)
    (lease,) = rig.lease("a")
    rig.queue.leasing.leave("a", rig.now)
    rig.queue.leasing.register(make_worker("a"), (claim(lease),), rig.now)
    late = Heartbeat("a", before, (), 0, 0, draining=False, wait_seconds=0.0)
    rig.queue.leasing.heartbeat(late, rig.now)
    assert rig.status().leased == 2
    rig.beat("a", ())
    assert rig.status().leased == 0, "one from after it does"


def test_of_what_others_took_meanwhile_nothing_is_kept(rig: Rig) -> None:
    rig.join("a")
    rig.join("b")
    rig.submit(tasks=2)
    (lease,) = rig.lease("a")
    rig.queue.leasing.leave("a", rig.now)
    (other,) = rig.lease("b", slots=1)
    rig.queue.leasing.register(make_worker("a"), (claim(lease),), rig.now)
    check_invariants(rig.queue.state)
    (adopted,) = (held for held in rig.queue.state.leases.values() if held.worker == "a")
    assert list(adopted.held) == [(other.stop, 2)]


def test_a_worker_that_returns_with_a_cancelled_job_is_told_to_stop(rig: Rig) -> None:
    rig.join("a")
    rig.submit(tasks=2)
    (lease,) = rig.lease("a")
    rig.queue.leasing.leave("a", rig.now)
    rig.queue.intake.cancel("job", rig.now)
    rig.queue.leasing.register(make_worker("a"), (claim(lease),), rig.now)
    assert rig.queue.leasing.take_orders("a").cancelled_jobs == ("job",)


def test_what_a_worker_claims_beyond_the_job_is_ignored(rig: Rig) -> None:
    rig.submit(tasks=2)
    wild = (HeldSpan(5, "job", 0, 9, 1), HeldSpan(6, "job", -3, 1, 1), HeldSpan(7, "job", 1, 1, 1))
    rig.queue.leasing.register(make_worker("a"), wild, rig.now)
    check_invariants(rig.queue.state)
    assert rig.status().leased == 0


def test_fewer_retries_do_not_make_a_lost_worker_fatal(rig: Rig) -> None:
    rig.submit(tasks=1, retries=0)
    rig.join("a")
    rig.lease("a")
    die(rig, "a")
    assert rig.status().waiting == 1
