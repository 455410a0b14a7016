"""A worker that is told to go is given nothing more, and told so until it confirms that."""

from __future__ import annotations

import pytest

from headrace_coordinator.queue.events import OrdersGiven, WorkerDraining
from headrace_wire.errors import UnknownWorkerError
from support.queue_builders import Rig


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.join()
    rig.submit(tasks=10)
    rig.queue.state.drain_events()
    return rig


def test_it_is_told_to_drain_until_it_confirms(rig: Rig) -> None:
    status = rig.queue.leasing.drain("w", rig.now)
    assert status.draining
    assert {WorkerDraining("w"), OrdersGiven("w")} <= set(rig.queue.state.drain_events())
    orders = rig.queue.leasing.take_orders("w")
    assert (orders.drain, orders.hand_back, orders.cancelled_jobs) == (True, False, ())
    rig.beat()
    assert rig.queue.leasing.take_orders("w").drain
    rig.beat(orders=orders.number)
    assert not rig.queue.leasing.take_orders("w").drain


def test_it_gets_no_more_tasks_and_counts_as_draining_from_now_on(rig: Rig) -> None:
    rig.queue.leasing.drain("w", rig.now)
    assert rig.lease() == []
    rig.beat()  # said before it had the order
    assert rig.queue.leasing.statuses(rig.now)[0].draining
    rig.join("other")
    assert rig.lease("other")


def test_what_it_holds_it_finishes(rig: Rig) -> None:
    (lease,) = rig.lease()
    rig.queue.leasing.drain("w", rig.now)
    rig.finish(lease)
    assert rig.status().done == lease.stop - lease.start


def test_to_drain_it_once_more_changes_nothing(rig: Rig) -> None:
    rig.queue.leasing.drain("w", rig.now)
    number = rig.queue.leasing.take_orders("w").number
    rig.queue.state.drain_events()
    rig.queue.leasing.drain("w", rig.now)
    rig.beat(draining=True)
    assert rig.queue.leasing.take_orders("w").number == number
    assert rig.queue.state.drain_events() == []


def test_a_worker_that_is_not_there_cannot_be_drained(rig: Rig) -> None:
    with pytest.raises(UnknownWorkerError, match="there is no worker 'x'"):
        rig.queue.leasing.drain("x", rig.now)
