"""Jobs that no connected worker could do: people are told once, when that lasts."""

from __future__ import annotations

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import JobStranded
from headrace_coordinator.queue.state import QueueState

#: Seconds for which no worker offers a job's service before that is told: workers may be on their
#: way, or just be started again.
STRANDED_SECONDS = 30.0


def note_stranded(state: QueueState, now: Now) -> None:
    """Tell of jobs whose tasks have waited for a while for a worker that offers their service.

    To be called now and then; it takes as long as there are jobs and workers.
    """
    offered = frozenset[str]().union(*(member.services for member in state.members.values()))
    for job in state.jobs.values():
        if job.is_final or job.spec.service in offered or not job.waiting or job.keeps_data:
            job.stranded_since = None
            job.is_told_stranded = False
        elif job.stranded_since is None:
            job.stranded_since = now.monotonic
        elif not job.is_told_stranded and now.monotonic - job.stranded_since >= STRANDED_SECONDS:
            job.is_told_stranded = True
            why = f"no connected worker offers {job.spec.service!r}"
            why = why if state.members else "no worker is connected"
            state.emit(JobStranded(job.spec.id, why, job.submitted_by))
