"""Reports jobs that no connected worker can run, once, if that lasts."""

from __future__ import annotations

from collections.abc import Collection

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import JobUnschedulable
from headrace_coordinator.queue.members import Member
from headrace_coordinator.queue.state import QueueState
from headrace_wire.engines import keeps_limits
from headrace_wire.messages.jobs import JobSpec

#: What the tasks of a job need from a worker: the service, and whether they have a time limit.
Need = tuple[str, bool]

#: After how many seconds without a worker that offers a job's service this is reported: workers may
#: be about to connect, or just be restarting.
UNSCHEDULABLE_SECONDS = 30.0


def note_unschedulable(state: QueueState, now: Now) -> None:
    """Report jobs whose tasks have waited for a while for a worker that offers their service.

    This is to be called now and then; the time that it takes grows with jobs and workers.
    """
    members = state.members.values()
    offered = frozenset[str]().union(*(member.services for member in members))
    limited = frozenset[str]().union(
        *(member.services for member in members if keeps_limits(member.info.engine))
    )
    for job in state.jobs.values():
        services = offered if job.spec.timeout_seconds is None else limited
        if job.is_final or job.spec.service in services or not job.waiting or job.keeps_data:
            job.unschedulable_since = None
            job.is_reported_unschedulable = False
        elif job.unschedulable_since is None:
            job.unschedulable_since = now.monotonic
        elif (
            not job.is_reported_unschedulable
            and now.monotonic - job.unschedulable_since >= UNSCHEDULABLE_SECONDS
        ):
            job.is_reported_unschedulable = True
            why = explain_unschedulable(job.spec, members)
            why = why if state.members else "no worker is connected"
            state.emit(JobUnschedulable(job.spec.id, why, job.submitted_by))


def find_need(spec: JobSpec) -> Need:
    """Return what a worker has to offer to run a job's tasks."""
    return spec.service, spec.timeout_seconds is not None


def explain_unschedulable(spec: JobSpec, members: Collection[Member]) -> str:
    """Return why none of these workers can run a job's tasks; "" if one can."""
    if any(member.may_run(spec) for member in members):
        return ""
    engines = sorted({one.info.engine for one in members if spec.service in one.services})
    if not engines:
        return f"no connected worker offers {spec.service!r}"
    return (
        "its tasks have a time limit, which the connected workers cannot keep (their engine is "
        f"{', '.join(engines)}): start a worker with a pool of its own, or submit it without one"
    )
