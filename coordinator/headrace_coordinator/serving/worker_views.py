"""A view of one worker, for people."""

from __future__ import annotations

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.running import find_worker, list_running_at
from headrace_coordinator.queue.state import QueueState
from headrace_coordinator.serving.worker_pasts import WorkerPasts
from headrace_wire.messages.views import WorkerView


def view_worker(
    state: QueueState, worker: str, pasts: WorkerPasts, now: Now, by: str | None
) -> WorkerView:
    """Return the worker with this id or name: its status, what it runs, and its past figures.

    With ``by``, only tasks of jobs that were submitted with the key of this name are included.
    Raises UnknownWorkerError and UsageError.
    """
    member = find_worker(state, worker)
    return WorkerView(
        status=member.status(now.monotonic),
        running=tuple(list_running_at(state, member, now, by)),
        points=pasts.list_points(member.info.id),
    )
