"""Clients take single tasks back."""

from __future__ import annotations

import pytest

from headrace_coordinator.queue.events import OrdersGiven, TaskDead
from headrace_wire.errors import UnknownJobError
from headrace_wire.messages.failures import WITHDRAWN
from headrace_wire.messages.jobs import CANCELLED, FAILED
from headrace_wire.messages.reports import Report, ReturnedSpan
from support.queue_builders import Rig
from support.queue_invariants import check_invariants


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.join()
    made.submit(tasks=10)
    return made


def withdraw(rig: Rig, *indices: int, kill: bool = False) -> tuple[int, ...]:
    taken = rig.queue.outcomes.withdraw("job", indices, kill=kill, now=rig.now)
    check_invariants(rig.queue.state)
    return taken


def test_a_waiting_task_is_taken_back(rig: Rig) -> None:
    assert withdraw(rig, 7) == (7,)
    (event,) = [one for one in rig.queue.state.drain_events() if isinstance(one, TaskDead)]
    assert (event.failure.index, event.failure.reason) == (7, WITHDRAWN)
    assert withdraw(rig, 7) == (7,), "asked again, the answer is the same"
    assert rig.queue.state.drain_events()[:-1] == []


def test_a_held_task_is_left_alone_unless_it_may_be_killed(rig: Rig) -> None:
    (lease,) = rig.lease()
    assert withdraw(rig, lease.start) == ()
    assert withdraw(rig, lease.start, kill=True) == (lease.start,)
    assert OrdersGiven("w") in rig.queue.state.drain_events()
    (order,) = rig.queue.leasing.take_orders("w").cancelled_tasks
    assert (order.job, order.index) == ("job", lease.start)
    assert rig.finish(lease, lease.start, lease.start + 1).accepted == 0, "too late"


def test_a_held_task_is_recalled_and_taken_back_when_its_worker_returns_it(rig: Rig) -> None:
    (lease,) = rig.lease()
    assert withdraw(rig, 0, 1) == ()
    assert OrdersGiven("w") in rig.queue.state.drain_events()
    orders = rig.queue.leasing.take_orders("w")
    assert (orders.hand_back, orders.cancelled_tasks) == (True, ())
    returned = ReturnedSpan(lease.id, "job", 1, 2)
    rig.queue.outcomes.report(Report("w", 1, (), (), (returned,), ()), rig.now)
    check_invariants(rig.queue.state)
    assert (rig.status().failed, rig.status().leased) == (1, 1)
    assert rig.queue.outcomes.forget_recall("job", (0, 1)) == (1,), "task 0 has started"
    rig.beat(orders=orders.number, leases=(lease.id,))
    assert not rig.queue.leasing.take_orders("w").hand_back
    assert rig.finish(lease, 0, 1).accepted == 1


def test_what_is_returned_after_its_job_was_cancelled_stays_cancelled(rig: Rig) -> None:
    (lease,) = rig.lease()
    withdraw(rig, 1)
    rig.queue.intake.cancel("job", rig.now)
    rig.queue.state.drain_events()
    returned = ReturnedSpan(lease.id, "job", 1, 2)
    rig.queue.outcomes.report(Report("w", 1, (), (), (returned,), ()), rig.now)
    check_invariants(rig.queue.state)
    assert (rig.status().state, rig.status().failed, rig.status().cancelled) == (CANCELLED, 0, 10)
    assert rig.queue.outcomes.forget_recall("job", (1,)) == ()


def test_what_was_not_recalled_only_waits_again_when_it_is_returned(rig: Rig) -> None:
    (lease,) = rig.lease()
    withdraw(rig, 1)
    rig.queue.outcomes.forget_recall("job", (1,))
    returned = ReturnedSpan(lease.id, "job", 0, 2)
    rig.queue.outcomes.report(Report("w", 1, (), (), (returned,), ()), rig.now)
    assert (rig.status().failed, rig.status().waiting) == (0, 10)


def test_what_has_an_outcome_or_never_was_stays_as_it_is(rig: Rig) -> None:
    (lease,) = rig.lease()
    rig.finish(lease, 0, 1)
    rig.fail(lease, 1)
    assert withdraw(rig, 0, 1, 99, -1, kill=True) == ()


def test_a_job_of_which_a_task_was_taken_back_ends_as_failed(rig: Rig) -> None:
    withdraw(rig, 3)
    while leases := rig.lease():
        for lease in leases:
            rig.finish(lease)
    assert (rig.status().state, rig.status().done, rig.status().failed) == (FAILED, 9, 1)


def test_of_an_unknown_job_nothing_can_be_taken_back(rig: Rig) -> None:
    with pytest.raises(UnknownJobError):
        rig.queue.outcomes.withdraw("nonesuch", (1,), kill=False, now=rig.now)
