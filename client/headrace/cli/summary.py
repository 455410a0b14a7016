"""What people are told when a job has ended: what failed, and one line about everything."""

from __future__ import annotations

from itertools import islice

from headrace.cli.alike import FEW, LINES_SHOWN, MOST_READ, describe_failures
from headrace.cli.printing import tell
from headrace.cli.show import describe_work
from headrace.job import Job
from headrace_wire.messages.failures import ERROR
from headrace_wire.messages.jobs import CANCELLED, JobStatus
from headrace_wire.words import count

#: From how many seconds of CPU time in slots on the speed-up is shown.
LEAST_CPU_SECONDS = 1.0


def explain_failures(job: Job, missing: str, *, embedded: bool) -> None:
    """Report on standard error which tasks failed, what cut a job short, and how to go on.

    ``missing`` says which values are missing, or is "" if none is.
    """
    if missing and job.status.cancelled:
        again = "" if embedded else f"; `headrace retry {job.id}` runs what is left"
        tell(f"headrace: {missing}{again}")
    if not job.status.failed:
        return
    failures = list(islice(job.failures(), MOST_READ))
    # Users who have sent pictures want to know which ones to fix.
    few = LINES_SHOWN if job.status.service == "images" else FEW
    command = "" if embedded else f"headrace dead list {job.id}"
    for line in describe_failures(failures, job.status.failed, command, few=few):
        tell(f"failed: {line}")
    if job.status.service == "images" and any(failure.reason == ERROR for failure in failures):
        again = "" if embedded else f"; what is done is kept: `headrace results {job.id}`"
        tell(f"headrace: mend what is wrong with the files and submit those again{again}")
    elif not embedded:
        tell(
            f"headrace: the results are kept; `headrace dead replay {job.id}` runs what failed "
            f"again, `headrace results {job.id}` fetches all of it",
        )


def summarise(status: JobStatus, wall_seconds: float, written: str) -> str:
    """Return the one line after each job.

    The speed-up is CPU time in slots divided by wall time: how many cores worked at a time. It is
    only shown from one second of work on, because less is over before there can be a speed-up.
    """
    parts = [
        count(status.tasks, "task"),
        f"{status.failed:,} failed",
        f"{wall_seconds:.2f} s wall",
        f"{status.cpu_seconds:.2f} s CPU in slots",
    ]
    if status.cpu_seconds >= LEAST_CPU_SECONDS and wall_seconds > 0:
        parts.append(f"speed-up {status.cpu_seconds / wall_seconds:.2f}")
    if status.cancelled:
        parts.insert(
            2, f"{status.cancelled:,} {'cancelled' if status.state == CANCELLED else 'undone'}"
        )
    line = f"{describe_work(status)}: {', '.join(parts)}"
    return f"{line}; {written}" if written else line
