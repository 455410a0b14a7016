"""Runs a task in a tracing span of its own, if its job is traced and this process has a tracer."""

from __future__ import annotations

from headrace_services.service import TaskRunner
from headrace_wire.tracing import open_span
from headrace_worker.link.messages import RunPiece
from headrace_worker.link.runners import JobRunner


def run_traced(
    piece: RunPiece, job: JobRunner, run: TaskRunner, index: int, task_input: bytes | None
) -> bytes:
    """Run a task; tracing spans that it opens are below its own. Raises what the task raises."""
    about: dict[str, str | int] = {
        "job": piece.job,
        "task": index,
        "attempt": piece.attempt,
        "service": job.service_name,
        "operation": job.operation,
    }
    with open_span("headrace run", "CONSUMER", about, parent=piece.trace):
        return run(index, task_input)
