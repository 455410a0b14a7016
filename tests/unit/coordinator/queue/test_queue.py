"""The queue's transitions, one at a time."""

from __future__ import annotations

import pytest

from headrace_coordinator.queue.client_requests import ABANDONED_SECONDS
from headrace_coordinator.queue.events import InputsDropped, OrdersGiven, SpanDone, TaskDead
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import (
    JobStateError,
    ProtocolError,
    ServiceMissingError,
    UnknownJobError,
    UnknownWorkerError,
    UsageError,
)
from headrace_wire.messages.failures import CRASH, LOST
from headrace_wire.messages.jobs import CANCELLED, DATA_SERVICE, FAILED, QUEUED, RUNNING, SUCCEEDED
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan
from support.queue_builders import Rig, make_spec
from support.queue_invariants import check_invariants


@pytest.fixture
def rig() -> Rig:
    return Rig()


def run_to_end(rig: Rig, worker: str = "w") -> int:
    """Lease and finish until nothing is left. Returns how many leases it took."""
    count = 0
    while leases := rig.lease(worker):
        for lease in leases:
            rig.finish(lease)
            count += 1
    return count


def test_a_job_goes_from_queued_over_running_to_succeeded(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=5)
    assert rig.status().state == QUEUED
    (lease,) = rig.lease()
    assert rig.status().state == RUNNING
    rig.finish(lease)
    run_to_end(rig)
    assert (rig.status().state, rig.status().done) == (SUCCEEDED, 5)


def test_a_job_without_tasks_has_succeeded_at_once(rig: Rig) -> None:
    rig.submit(tasks=0)
    assert rig.status().state == SUCCEEDED


def test_a_job_of_a_billion_tasks_is_a_few_ranges(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=10**9)
    for _ in range(50):
        for lease in rig.lease():
            rig.finish(lease, seconds=1e-5)
    job = rig.queue.state.jobs["job"]
    assert len([*job.fresh, *job.done]) <= 3
    check_invariants(rig.queue.state)


def test_submitting_the_same_job_again_changes_nothing(rig: Rig) -> None:
    rig.submit(tasks=5)
    rig.queue.state.drain_events()
    rig.submit(tasks=5)
    assert rig.queue.state.drain_events() == []


def test_a_job_id_cannot_be_taken_twice(rig: Rig) -> None:
    rig.submit(tasks=5)
    with pytest.raises(UsageError, match="taken by another job"):
        rig.submit(tasks=6)


def test_a_job_that_no_connected_worker_can_do_is_refused(rig: Rig) -> None:
    rig.join(services=("images",))
    with pytest.raises(ServiceMissingError, match=r"'primes'.*they offer images"):
        rig.submit()


def test_a_job_waits_for_the_first_worker(rig: Rig) -> None:
    rig.submit()
    assert rig.status().waiting_for == "no worker is connected"


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


def test_the_first_accepted_outcome_stands(rig: Rig) -> None:
    rig.join("a")
    rig.join("b")
    rig.submit(tasks=1)
    (held,) = rig.lease("a")
    rig.seconds = 20.0
    rig.queue.tick(rig.now)
    rig.join("b")
    (again,) = rig.lease("b")
    assert again.attempt == 2
    assert rig.finish(held).accepted == 1
    receipt = rig.finish(again)
    assert (receipt.accepted, receipt.dropped) == (0, 1)
    assert rig.status().state == SUCCEEDED
    check_invariants(rig.queue.state)


def test_of_a_run_that_is_partly_done_only_the_rest_is_taken(rig: Rig) -> None:
    rig.join("a")
    rig.join("b")
    rig.submit(tasks=2)
    (held,) = rig.lease("a")
    rig.finish(held, 1, 2)
    rig.seconds = 20.0
    rig.queue.tick(rig.now)
    rig.queue.state.drain_events()
    receipt = rig.finish(held)
    assert (receipt.accepted, receipt.dropped) == (1, 1)
    (done,) = [event for event in rig.queue.state.drain_events() if isinstance(event, SpanDone)]
    assert (done.start, done.stop, unpack_batch(done.values)) == (0, 1, [b"0"])


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


def test_an_error_is_final_without_retries(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1)
    (lease,) = rig.lease()
    rig.fail(lease, 0)
    assert (rig.status().state, rig.status().failed) == (FAILED, 1)
    assert any(isinstance(event, TaskDead) for event in rig.queue.state.drain_events())


def test_an_error_is_tried_again_as_often_as_asked(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1, retries=2)
    for attempt in (1, 2, 3):
        (lease,) = rig.lease()
        assert lease.attempt == attempt
        rig.fail(lease, 0)
        rig.seconds += 60.0
        rig.beat()
    assert rig.status().state == FAILED
    assert rig.lease() == []


def test_a_retry_waits_for_its_pause(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1, retries=1)
    rig.fail(rig.lease()[0], 0)
    assert (rig.lease(), rig.status().retrying) == ([], 1)
    rig.seconds = 1.0
    assert len(rig.lease()) == 1


def test_a_task_that_kills_its_slot_has_three_attempts(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=3)
    attempts = 0
    while leases := rig.lease():
        for lease in leases:
            for index in range(lease.start, lease.stop):
                if index == 1:
                    attempts += 1
                    rig.fail(lease, index, CRASH)
                else:
                    rig.finish(lease, index, index + 1)
        check_invariants(rig.queue.state)
    assert attempts == 3
    status = rig.status()
    assert (status.state, status.done, status.failed) == (FAILED, 2, 1)


def test_a_task_that_takes_its_worker_along_is_lost_alone(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=200)
    rig.finish(rig.lease()[0], seconds=0.001)
    for _ in range(400):
        rig.join()
        leases = rig.lease()
        if not leases:
            break
        if any(150 in range(lease.start, lease.stop) for lease in leases):
            rig.seconds += 20.0  # the worker dies with all that it holds
            rig.queue.tick(rig.now)
        else:
            for lease in leases:
                rig.finish(lease, seconds=0.001)
        check_invariants(rig.queue.state)
    status = rig.status()
    assert (status.state, status.failed, status.done) == (FAILED, 1, 199)
    dead = [event for event in rig.queue.state.drain_events() if isinstance(event, TaskDead)]
    assert [(event.failure.index, event.failure.reason) for event in dead] == [(150, LOST)]


def test_cancelling_stops_leases_and_orders_the_workers(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=10)
    (lease,) = rig.lease()
    rig.finish(lease, 0, 1)
    status = rig.queue.intake.cancel("job", rig.now)
    assert (status.state, status.done, status.cancelled) == (CANCELLED, 1, 9)
    assert OrdersGiven("w") in rig.queue.state.drain_events()
    orders = rig.queue.leasing.take_orders("w")
    assert orders.cancelled_jobs == ("job",)
    assert rig.queue.leasing.take_orders("w") == orders, "the answer may have been lost"
    rig.beat(orders=orders.number)
    assert rig.queue.leasing.take_orders("w").cancelled_jobs == ()
    assert rig.finish(lease, 1, 2).dropped == 1
    check_invariants(rig.queue.state)


def test_what_an_earlier_coordinator_ordered_does_not_count_as_heard(rig: Rig) -> None:
    rig.join()
    rig.submit()
    rig.lease()
    rig.queue.intake.cancel("job", rig.now)
    rig.beat(orders=1 << 50)
    assert rig.queue.leasing.take_orders("w").cancelled_jobs == ("job",)


def test_a_cancelled_job_can_be_retried(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=10)
    rig.finish(rig.lease()[0])
    rig.queue.intake.cancel("job", rig.now)
    assert rig.retry("job").state == QUEUED
    run_to_end(rig)
    assert (rig.status().state, rig.status().done) == (SUCCEEDED, 10)


def test_retrying_runs_the_failed_tasks_alone(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=4)
    while leases := rig.lease():
        for lease in leases:
            for index in range(lease.start, lease.stop):
                if index == 2:
                    rig.fail(lease, index)
                else:
                    rig.finish(lease, index, index + 1)
    assert rig.status().state == FAILED
    rig.retry("job")
    (lease,) = rig.lease()
    assert (lease.start, lease.stop, lease.attempt) == (2, 3, 1)
    rig.finish(lease)
    assert rig.status().state == SUCCEEDED


def test_a_running_job_cannot_be_retried(rig: Rig) -> None:
    rig.submit()
    with pytest.raises(JobStateError, match="only a job that has ended"):
        rig.retry("job")


def test_a_deleted_job_is_unknown_and_its_late_outcomes_are_dropped(rig: Rig) -> None:
    rig.join()
    rig.submit()
    (lease,) = rig.lease()
    rig.queue.intake.delete("job")
    with pytest.raises(UnknownJobError, match="headrace jobs"):
        rig.status()
    assert rig.finish(lease).dropped == 2
    check_invariants(rig.queue.state)


def test_carried_inputs_are_leased_as_they_come_and_end_with_the_seal(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=None)
    assert rig.put("job", 0, [b"a", b"b"]) == 2
    run_to_end(rig)
    assert rig.status().state == RUNNING
    assert rig.put("job", 2, [b"c"]) == 3
    rig.queue.intake.seal("job", 3, rig.now)
    run_to_end(rig)
    assert rig.status().state == SUCCEEDED


def test_a_repeated_put_changes_nothing_and_a_gap_is_refused(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [b"a", b"b"])
    assert rig.put("job", 0, [b"a", b"b"]) == 2
    with pytest.raises(JobStateError, match="none can begin at 5"):
        rig.put("job", 5, [b"c"])


def test_sealing_with_another_number_of_tasks_is_refused(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [b"a"])
    with pytest.raises(JobStateError, match="has 1 task, not 2"):
        rig.queue.intake.seal("job", 2, rig.now)


def test_inputs_are_dropped_when_all_tasks_of_their_chunk_are_done(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=None)
    rig.put("job", 0, [b"a", b"b"])
    size_bytes = rig.queue.state.spool_bytes
    (lease,) = rig.lease()
    rig.finish(lease, 0, 1)
    assert not any(isinstance(e, InputsDropped) for e in rig.queue.state.drain_events())
    rig.finish(lease, 1, 2)
    (dropped,) = [e for e in rig.queue.state.drain_events() if isinstance(e, InputsDropped)]
    assert dropped == InputsDropped("job", 0, size_bytes)


def test_a_grant_holds_no_more_inputs_than_its_bytes(rig: Rig) -> None:
    rig.join(slots=64)
    rig.submit(tasks=None)
    for index in range(8):
        rig.put("job", index, [bytes(6 << 20)])
    leases = rig.lease(slots=64)
    assert sum(lease.stop - lease.start for lease in leases) in (2, 3)
    check_invariants(rig.queue.state)


def test_an_unsealed_job_whose_client_is_silent_is_forgotten(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.seconds = ABANDONED_SECONDS - 1
    rig.put("job", 0, [b"a"])
    rig.seconds += ABANDONED_SECONDS - 1
    rig.queue.tick(rig.now)
    assert rig.status().tasks == 1
    rig.seconds += 2
    rig.queue.tick(rig.now)
    with pytest.raises(UnknownJobError):
        rig.status()


def test_a_report_with_the_wrong_number_of_values_is_refused_whole(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=10)
    (lease,) = rig.lease()
    good = DoneSpan(lease.id, "job", 0, 1, b"\x91\xc4\x01a", 0.0, 0.0)
    bad = DoneSpan(lease.id, "job", 1, 3, b"\x91\xc4\x01a", 0.0, 0.0)
    with pytest.raises(ProtocolError):
        rig.report("w", done=(good, bad))
    assert rig.status().done == 0


def test_a_wall_clock_that_jumps_changes_nothing(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=2)
    (lease,) = rig.lease()
    jumped = rig.now._replace(at=rig.now.at + 3600)
    rig.queue.tick(jumped)
    assert rig.status().leased == 2
    rig.finish(lease)
    assert rig.status().state == SUCCEEDED


def test_the_results_of_a_running_job_cannot_be_acknowledged(rig: Rig) -> None:
    rig.submit()
    with pytest.raises(JobStateError, match="not complete"):
        rig.queue.intake.acknowledge("job")


def test_a_spec_is_compared_whole() -> None:
    assert make_spec(priority=1) != make_spec(priority=2)


def test_what_keeps_data_for_others_is_never_run(rig: Rig) -> None:
    rig.join(services=("primes",))
    rig.submit("kept", None, service=DATA_SERVICE, owned=True)  # nobody offers it
    rig.put("kept", 0, [b"data"])
    assert rig.lease() == []
    assert not rig.queue.state.may_have_work
    assert rig.status("kept").waiting_for == "it keeps data for other jobs"
    check_invariants(rig.queue.state)
    rig.queue.intake.require_data("kept")
    rig.submit("other")
    for name in ("other", "none"):
        with pytest.raises(UnknownJobError):
            rig.queue.intake.require_data(name)
