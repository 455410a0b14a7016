"""How often a task is tried, and how long it rests in between."""

from __future__ import annotations

from headrace_wire.messages import CRASH, LOST, OOM, JobSpec

#: Attempts for a task that takes its slot or its worker with it, unless the job says otherwise.
DEFAULT_CRASH_ATTEMPTS = 3

#: Pause before the second attempt after an error, in seconds; it doubles with each further one.
FIRST_PAUSE_SECONDS = 0.5

#: The longest pause, in seconds.
LONGEST_PAUSE_SECONDS = 30.0

#: Golden-ratio steps spread the pauses of neighbouring tasks evenly, without a random source.
SPREAD = 0.6180339887498949


def count_allowed(spec: JobSpec, reason: str) -> int:
    """How many attempts a task has in all when they fail for this reason."""
    if spec.retries is not None:
        return spec.retries + 1
    return DEFAULT_CRASH_ATTEMPTS if reason in (CRASH, OOM, LOST) else 1


def compute_pause_seconds(attempt: int, index: int, reason: str) -> float:
    """How long task ``index`` rests after its ``attempt``-th attempt failed.

    Not at all after a crash: the slot's replacement is pause enough.
    """
    if reason in (CRASH, OOM, LOST):
        return 0.0
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 16), LONGEST_PAUSE_SECONDS)
    return pause * (0.5 + (index * SPREAD) % 1.0 / 2)
