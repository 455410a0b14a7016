"""The tasks that the slots of workers run, as workers report them, if they hold these tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from msgspec.structs import replace

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.members import Member
from headrace_coordinator.queue.state import QueueState
from headrace_wire.bounds import quote
from headrace_wire.errors import UnknownWorkerError, UsageError
from headrace_wire.messages.workers import RunningTask


def find_worker(state: QueueState, worker: str) -> Member:
    """Return the worker that has this shown id or this name. Raises UnknownWorkerError, and
    UsageError if several workers have the name.
    """
    members = state.members.values()
    for member in members:
        if member.shown_id == worker:
            return member
    named = [member for member in members if member.info.name == worker]
    if not named:
        raise UnknownWorkerError(
            f"there is no worker {quote(worker)}: `headrace workers` lists those there are"
        )
    if len(named) > 1:
        ids = ", ".join(member.shown_id for member in named)
        raise UsageError(f"{len(named)} workers are called {quote(worker)}: say which by id: {ids}")
    return named[0]


def list_running(state: QueueState, job_id: str, now: Now) -> list[RunningTask]:
    """Return the running tasks of a job, those that run longest first. Raises UnknownJobError."""
    workers = {lease.worker for lease in state.find(job_id).leases.values()}
    return _sort(
        task
        for worker in workers
        for task in _list_running(state.members[worker], now)
        if task.job == job_id
    )


def list_running_at(
    state: QueueState, member: Member, now: Now, by: str | None = None
) -> list[RunningTask]:
    """Return the tasks that a worker runs, those that run longest first.

    With ``by``, only tasks of jobs that were submitted with the key of this name are returned.
    """
    return _sort(
        task
        for task in _list_running(member, now)
        if by is None or state.jobs[task.job].submitted_by == by
    )


def _list_running(member: Member, now: Now) -> Iterator[RunningTask]:
    """Yield the tasks that a worker reports as running, without those that it no longer holds."""
    since = max(0.0, now.monotonic - member.heartbeat_at)
    leases: defaultdict[str, list[HeldLease]] = defaultdict(list)
    for lease in member.leases.values():
        leases[lease.job].append(lease)
    for task in member.running:
        if any(task.index in lease.held for lease in leases.get(task.job, ())):
            yield replace(task, worker=member.info.name, seconds=task.seconds + since)


def _sort(tasks: Iterator[RunningTask]) -> list[RunningTask]:
    return sorted(tasks, key=lambda task: (-task.seconds, task.index))
