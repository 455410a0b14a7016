"""Checks of the queue's invariants, as ``QueueState`` states them, for tests of every kind."""

from __future__ import annotations

from collections import Counter

from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.retries import count_allowed
from headrace_coordinator.queue.state import QueueState
from headrace_wire.messages.failures import LOST
from headrace_wire.messages.jobs import CANCELLED, SUCCEEDED

#: Losses after which the largest lease, quartered each time, holds a single task.
LOSSES_IN_COMPANY = 9


def check_invariants(state: QueueState) -> None:
    """Raise AssertionError with the number of the invariant that is broken."""
    reported: Counter[str] = Counter()
    for member in state.members.values():
        reported[member.key] += member.count_reported_tasks()
    assert state.reported_tasks_by_key == reported
    for job in state.jobs.values():
        _check_partition(job)
        succeeded = job.sealed and job.done.count == job.tasks
        assert (job.state == SUCCEEDED) == succeeded or job.state == CANCELLED, f"4: {job}"
        most = max(count_allowed(job.spec, LOST), count_allowed(job.spec, "error"))
        for lease in job.leases.values():
            assert lease.attempt <= most + LOSSES_IN_COMPANY, f"5: {lease}"
            member = state.members[lease.worker]
            assert not lease.alone or list(member.leases) == [lease.id], f"5: {lease}"
        assert job.spool_bytes >= job.result_bytes >= 0, f"6: {job}"
        if job.spec.owned:
            kept = sum(size_bytes for _, size_bytes in job.undelivered.values())
            assert kept == job.result_bytes, f"6: {job}"
    listed = {lease for job in state.jobs.values() for lease in job.leases}
    held = {lease for member in state.members.values() for lease in member.leases}
    assert listed == held == set(state.leases), "3"
    for job_id, job in state.jobs.items():
        is_run = not job.keeps_data
        assert not (job.waiting and is_run) or job_id in state.turns, f"7: {job}"
        assert not job.suspects or job_id in state.suspected, f"7: {job}"
        assert not job.delayed or job_id in state.paused, f"7: {job}"
    slots = sum(member.info.slots for member in state.members.values())
    assert state.slots == slots, "7"
    expected = [job.measure_expected() for job in state.jobs.values()]
    assert state.expected_bytes == sum(added for added, _, _ in expected), "6"
    assert state.value_bytes == sum(values for _, values, _ in expected), "6"
    assert state.unknown_tasks == sum(unknown for _, _, unknown in expected), "6"
    assert state.spool_bytes == sum(job.spool_bytes for job in state.jobs.values()), "6"


def _check_partition(job: Job) -> None:
    places = [
        *job.fresh,
        *((start, stop) for start, stop, _ in (*job.again, *job.suspects)),
        *((index, index + 1) for _, index, _ in job.delayed),
        *(piece for lease in job.leases.values() for piece in lease.held),
        *job.done,
        *job.dead,
    ]
    together = RangeSet(places)
    total = sum(stop - start for start, stop in places)
    assert together.count == total, f"1: a task is in two places: {job}"
    assert job.leased == sum(lease.held.count for lease in job.leases.values()), f"1: {job}"
    if job.reviving:
        return  # some of its tasks are still nowhere
    if not job.is_final:
        assert together.covers(0, job.tasks), f"1: a task is nowhere: {job}"
        assert total == job.tasks, f"1: a task is too many: {job}"
    elif job.state != CANCELLED and not job.ended_because:
        assert job.done.count + job.dead.count == job.tasks == total, f"2: {job}"
