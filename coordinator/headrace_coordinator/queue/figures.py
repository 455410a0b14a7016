"""Figures of the queue and its workers, and how long the pending work will take."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.schedule import UNKNOWN_TASK_SECONDS
from headrace_coordinator.queue.state import QueueState
from headrace_coordinator.queue.unschedulable import Need, find_need
from headrace_wire.messages.jobs import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, State

#: The states in the order of a job's life.
STATES: tuple[State, ...] = (QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED)


class Part(Struct):
    """The part of the backlog whose tasks need the same from a worker."""

    tasks: int = 0
    seconds: float = 0.0
    #: The number of tasks about whose duration nothing is known.
    unknown_tasks: int = 0


class Figures(Struct):
    """Workers, of which some are ``draining``, their slots, tasks by state, and jobs by state.

    ``backlog_tasks`` is the number of waiting and running tasks that a connected worker can run.
    ``backlog_seconds`` is how long the slots that take work would be busy with them, as far as is
    known: tasks of a job of which none has ended are assumed to take as long as those of all jobs
    did on average. While no worker is connected, all tasks count, for the time that one slot would
    take. ``backlogs`` are all tasks, by what they need from a worker, whether there is such a
    worker or not; their seconds are always those of one slot.
    """

    workers: int = 0
    draining: int = 0
    slots: int = 0
    busy: int = 0
    waiting: int = 0
    leased: int = 0
    retrying: int = 0
    jobs: dict[State, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    backlog_tasks: int = 0
    backlog_seconds: float = 0.0
    backlogs: dict[Need, Part] = field(default_factory=dict[Need, Part])


def measure(state: QueueState, by: str | None = None) -> Figures:
    """Return the current figures. If ``by`` is the name of a key, only jobs that were submitted
    with it are counted.

    The time that this takes grows with the number of jobs and workers.
    """
    jobs = state.jobs.values()
    found = count_jobs(jobs if by is None else [job for job in jobs if job.submitted_by == by])
    open_slots = _count_workers(state, found)
    members = state.members.values()
    counted = [
        part
        for (service, is_limited), part in found.backlogs.items()
        if not members or any(one.offers(service, is_limited=is_limited) for one in members)
    ]
    found.backlog_tasks = sum(part.tasks for part in counted)
    found.backlog_seconds = sum(part.seconds for part in counted) / max(1, open_slots)
    return found


def count_jobs(jobs: Iterable[Job]) -> Figures:
    """Count only jobs and their tasks; the backlog by its parts, and not what workers can run."""
    found = Figures()
    busy_seconds, ended_tasks = 0.0, 0
    for job in jobs:
        if job.keeps_data:
            continue  # it is part of another one
        found.jobs[job.state] += 1
        busy_seconds += job.busy_seconds
        ended_tasks += job.done.count + job.dead.count
        if job.is_final:
            continue
        waiting, retrying = job.waiting, len(job.delayed)
        found.waiting += waiting
        found.leased += job.leased
        found.retrying += retrying
        tasks = waiting + job.leased + retrying
        if not tasks:
            continue
        part = found.backlogs.setdefault(find_need(job.spec), Part())
        part.tasks += tasks
        mean_seconds = _find_mean_seconds(job)
        if mean_seconds is None:
            part.unknown_tasks += tasks
        else:
            part.seconds += mean_seconds * tasks
    mean_of_all = busy_seconds / ended_tasks if busy_seconds else UNKNOWN_TASK_SECONDS
    for part in found.backlogs.values():
        part.seconds += part.unknown_tasks * mean_of_all
    return found


def _count_workers(state: QueueState, found: Figures) -> int:
    """Count workers and slots. Returns how many slots take work."""
    open_slots = 0
    for member in state.members.values():
        found.workers += 1
        found.slots += member.info.slots
        found.busy += min(member.busy, member.info.slots)
        if member.draining:
            found.draining += 1
        else:
            open_slots += member.info.slots
    return open_slots


def _find_mean_seconds(job: Job) -> float | None:
    """Return the mean duration of a job's tasks in seconds; None if not known."""
    if job.mean_seconds is not None:
        return job.mean_seconds
    ended = job.done.count + job.dead.count
    return job.busy_seconds / ended if ended and job.busy_seconds else None
