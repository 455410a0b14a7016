"""What workers are leased, how long they hold it, and what comes back of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace_wire.errors import UnknownWorkerError
from headrace_wire.messages.jobs import SUCCEEDED
from headrace_wire.messages.leases import LeaseRequest
from support.queue_invariants import check_invariants

if TYPE_CHECKING:
    from support.queue_builders import Rig


def test_the_first_lease_is_one_task_a_free_slot_and_later_ones_grow(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1000)
    (first,) = rig.lease(slots=2)
    assert first.stop - first.start == 2
    rig.finish(first, seconds=0.01)
    (second,) = rig.lease(slots=2)
    assert second.stop - second.start == 100  # half a second of work for each of two slots


def test_leases_shrink_toward_the_end_of_a_job(rig: Rig) -> None:
    rig.join("a")
    rig.join("b")
    rig.submit(tasks=64)
    rig.finish(rig.lease("a")[0], seconds=0.001)
    sizes: list[int] = []
    while leases := rig.lease("a"):
        sizes += [lease.stop - lease.start for lease in leases]
        rig.finish(leases[-1], seconds=0.001)
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (16, 1)


def test_a_repeated_lease_request_gets_the_same_leases(rig: Rig) -> None:
    rig.join()
    rig.submit()
    first = rig.lease()
    assert rig.lease(repeat=True) == first
    check_invariants(rig.queue.state)


def test_of_several_requests_under_way_each_one_repeated_gets_its_own_leases(rig: Rig) -> None:
    rig.join()
    rig.submit("job", 100)
    requests = [LeaseRequest("w", number, 2, 0.0, ()) for number in range(1, 4)]
    granted = [rig.queue.leasing.lease(request, rig.now) for request in requests]
    again = [rig.queue.leasing.lease(request, rig.now) for request in reversed(requests)]
    assert again[::-1] == granted
    assert len({lease.id for leases in granted for lease in leases}) == 3
    check_invariants(rig.queue.state)


def test_a_request_says_how_many_bytes_it_takes_at_most(rig: Rig) -> None:
    rig.join()
    rig.submit("job", None)
    for start in range(8):
        rig.put("job", start, [bytes(1000)])
    rig.queue.intake.seal("job", 8, rig.now)
    request = LeaseRequest("w", 1, 8, 0.0, (), max_bytes=2500)
    granted = rig.queue.leasing.lease(request, rig.now)
    assert 1 <= sum(lease.held.count for lease in granted) <= 3


def test_an_unknown_worker_gets_no_lease(rig: Rig) -> None:
    with pytest.raises(UnknownWorkerError):
        rig.lease("nobody")


def test_higher_priority_goes_first(rig: Rig) -> None:
    rig.join()
    rig.submit("low", 100)
    rig.submit("high", 100, priority=5)
    assert {lease.job for lease in rig.lease()} == {"high"}


def test_a_small_job_does_not_wait_for_a_big_one(rig: Rig) -> None:
    rig.join()
    rig.submit("big", 10**6)
    for _ in range(20):
        for lease in rig.lease():
            rig.finish(lease, seconds=0.05)
    rig.submit("small", 4)
    leases_until_done = 0
    while rig.status("small").state != SUCCEEDED:
        for lease in rig.lease():
            rig.finish(lease, seconds=0.05)
        leases_until_done += 1
    assert leases_until_done <= 8


def test_two_jobs_of_one_priority_share_the_time(rig: Rig) -> None:
    rig.join()
    rig.submit("a", 10**6)
    rig.submit("b", 10**6)
    for _ in range(100):
        for lease in rig.lease():
            rig.finish(lease, seconds=0.01 if lease.job == "a" else 0.05)
    a, b = rig.status("a"), rig.status("b")
    assert 0.7 < a.busy_seconds / b.busy_seconds < 1.4


def test_a_silent_workers_leases_come_back_charged(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=2)
    rig.lease()
    rig.seconds = 14.0
    rig.queue.tick(rig.now)
    assert rig.status().leased == 2
    rig.seconds = 15.1
    rig.queue.tick(rig.now)
    assert (rig.status().leased, rig.status().waiting) == (0, 2)
    rig.join()
    assert {lease.attempt for lease in rig.lease()} == {2}


def test_a_heartbeat_renews(rig: Rig) -> None:
    rig.join()
    rig.submit()
    (lease,) = rig.lease()
    for rig.seconds in (10.0, 20.0, 30.0):
        assert rig.beat(leases=(lease.id,))
        rig.queue.tick(rig.now)
    assert rig.status().leased == 2


def test_a_lease_that_a_worker_does_not_name_comes_back_uncharged(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=2)
    rig.lease()
    rig.beat(leases=())
    assert rig.status().leased == 0
    assert {lease.attempt for lease in rig.lease()} == {1}


def test_an_unknown_worker_is_told_so_by_its_heartbeat(rig: Rig) -> None:
    assert not rig.beat("nobody")
    assert not rig.queue.leasing.take_orders("nobody").known


def test_what_a_leaving_worker_holds_waits_again_uncharged(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=2)
    rig.lease()
    rig.queue.leasing.leave("w", rig.now)
    rig.join()
    assert {lease.attempt for lease in rig.lease()} == {1}
