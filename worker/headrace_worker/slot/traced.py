"""A task within a span of its own, where its job is traced and this process has a tracer."""

from __future__ import annotations

from headrace_services.service import TaskRunner
from headrace_wire.tracing import open_span
from headrace_worker.link.messages import RunPiece
from headrace_worker.link.runners import JobRunner


def run_traced(
    piece: RunPiece, job: JobRunner, run: TaskRunner, index: int, task_input: bytes | None
) -> bytes:
    """Run a task; what it traces itself is beneath its span. Raises what the task does."""
    about: dict[str, str | int] = {
        "job": piece.job,
        "task": index,
        "attempt": piece.attempt,
        "service": job.service_name,
        "operation": job.operation,
    }
    with open_span("headrace run", "CONSUMER", about, parent=piece.trace):
        return run(index, task_input)
