"""How often a task is tried, and how long it waits in between."""

from __future__ import annotations

from headrace_wire.messages.failures import CRASH, LOST, OOM, Reason
from headrace_wire.messages.jobs import JobSpec

#: How often a task is tried that kills its slot or its worker, unless the job says otherwise.
DEFAULT_CRASH_ATTEMPTS = 3

#: The longest pause, in seconds, unless the job's first one is longer.
LONGEST_PAUSE_SECONDS = 30.0

#: Steps of the golden ratio spread the pauses of neighbouring tasks evenly, without a random
#: source.
SPREAD = 0.6180339887498949


def count_allowed(spec: JobSpec, reason: Reason) -> int:
    """Return how many attempts a task has in total if they fail for this reason.

    A lost worker says little about the tasks that it held, so even a job that asks for fewer
    retries than the default has the default number for losses.
    """
    if spec.retries is None:
        return DEFAULT_CRASH_ATTEMPTS if reason in (CRASH, OOM, LOST) else 1
    if reason == LOST:
        return max(DEFAULT_CRASH_ATTEMPTS, spec.retries + 1)
    return spec.retries + 1


def compute_pause_seconds(spec: JobSpec, attempt: int, index: int, reason: Reason) -> float:
    """Return how long task ``index`` waits after its ``attempt``-th attempt failed, in seconds.

    This is exponential backoff with jitter: the job's delay, doubled with each attempt, times a
    factor from 0.5 to 1. There is no pause after a crash, because replacing the slot takes time.
    """
    if reason in (CRASH, LOST):
        return 0.0
    delay = spec.retry_delay_seconds
    pause = min(delay * 2.0 ** min(attempt - 1, 16), max(delay, LONGEST_PAUSE_SECONDS))
    return pause * (0.5 + (index * SPREAD) % 1.0 / 2)
