"""Jobs of the queue: submitted, cancelled, retried and deleted, one transition at a time."""

from __future__ import annotations

import pytest

from headrace_coordinator.queue.events import OrdersGiven
from headrace_wire.errors import JobStateError, ServiceMissingError, UnknownJobError, UsageError
from headrace_wire.messages.jobs import CANCELLED, DATA_SERVICE, FAILED, QUEUED, RUNNING, SUCCEEDED
from support.queue_builders import Rig, make_spec
from support.queue_invariants import check_invariants


def test_a_job_goes_from_queued_over_running_to_succeeded(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=5)
    assert rig.status().state == QUEUED
    (lease,) = rig.lease()
    assert rig.status().state == RUNNING
    rig.finish(lease)
    rig.run_to_end()
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
    rig.run_to_end()
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
