"""What workers hold and how often tasks were tried, after a failed commit or a restart."""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import SUCCEEDED
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report
from support.ledger_rig import LedgerRig
from support.queue_builders import claim, make_spec, make_worker

if TYPE_CHECKING:
    from headrace_coordinator.moment import Now
    from headrace_coordinator.queue.held_lease import HeldLease
    from headrace_coordinator.queue.queue import Queue


def reopen(rig: LedgerRig) -> LedgerRig:
    """Kill the coordinator and start another on the same folder."""
    rig.store.close()
    return LedgerRig(rig.path.parent)


def take_lease(rig: LedgerRig, worker: str) -> HeldLease:
    def take(queue: Queue, now: Now) -> HeldLease:
        queue.leasing.register(make_worker(worker), (), now)
        number = secrets.randbits(30) + 1
        (lease,) = queue.leasing.lease(LeaseRequest(worker, number, 1, 0.0, ()), now)
        return lease

    lease: HeldLease = rig.ledger.observe(take)
    return lease


def test_when_a_commit_has_failed_workers_still_have_their_leases(
    rig: LedgerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is made anew from the store, and has forgotten them."""
    rig.submit("a", 1)
    lease = take_lease(rig, "w")

    def fail(*arguments: object, **named: object) -> None:
        raise KeyError("a fault of our own")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "write", fail)
        with pytest.raises(HeadraceError, match="its log says why"):
            rig.submit("b")
    run = DoneSpan(lease.id, "a", 0, 1, pack_batch([b"value"]), 0.1, 0.1)
    rig.take_report(Report("w", 1, (run,), (), (), ()))
    assert not rig.ledger.observe(lambda queue, _: queue.state.find("a").done)
    rig.take_report(Report("w", 2, (run,), (), (), (), held=(claim(lease),)))
    assert rig.ledger.observe(lambda queue, _: queue.state.find("a").state) == SUCCEEDED


def test_attempts_are_counted_across_restarts(rig: LedgerRig) -> None:
    rig.ledger.commit_now(
        lambda queue, now: queue.intake.submit(
            make_spec("a", 1, retries=5, retry_delay_seconds=0.0), now
        )
    )
    for attempt in (1, 2, 3):
        lease = take_lease(rig, f"w{attempt}")
        assert lease.attempt == attempt
        failure = TaskFailure(
            lease.id, "a", 0, attempt, "error", "", "ValueError", "no", "", "", "w", 0.0, 0.0
        )  # fmt: skip
        report = Report(lease.worker, 1, (), (failure,), (), ())
        rig.take_report(report)
        rig = reopen(rig)
    rig.store.close()


def test_a_deadline_goes_on_across_a_restart_and_a_jump_of_the_wall_clock(
    rig: LedgerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec("a", 1, deadline_seconds=1000.0)
    rig.ledger.commit_now(lambda queue, now: queue.intake.submit(spec, now))
    submitted = rig.ledger.now().monotonic
    wall = time.time()
    for jump in (3600.0, -3600.0):
        monkeypatch.setattr(time, "time", partial(float, wall + jump))
        rig = reopen(rig)
        rig.ledger.commit_now(lambda queue, now: queue.tick(now))
        assert abs(rig.ledger.now().monotonic - submitted) < 60.0
        deadline = rig.ledger.observe(lambda queue, _: queue.state.find("a").deadline)
        assert deadline == pytest.approx(submitted + 1000.0, abs=5.0)
    rig.store.close()


def test_a_worker_that_could_not_be_heard_was_not_silent(
    rig: LedgerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator is stopped for an hour, and the ticker looks before any worker is heard."""
    rig.submit("a", 1)
    take_lease(rig, "w")
    stopped = time.monotonic() + 3600.0
    monkeypatch.setattr(time, "monotonic", lambda: stopped)
    rig.ledger.commit_now(lambda queue, now: queue.tick(now))
    assert rig.ledger.observe(lambda queue, _: list(queue.state.members)) == ["w"]
