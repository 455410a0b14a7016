"""How long the tasks of a job took, in one line."""

from __future__ import annotations

from itertools import accumulate
from math import inf

from headrace_wire.messages.job_views import TaskTimes

#: Shares of the tasks, and their words.
SHARES = ((0.5, "half"), (0.95, "95 %"), (1.0, "all"))


def describe_times(times: TaskTimes) -> str:
    """Return within which times half, most and all of the tasks ended; "" if none did."""
    total = sum(times.counts)
    if not total:
        return ""
    # If several shares have the same bound, the largest one is enough.
    words = {find_bound(times, share * total): word for share, word in SHARES}
    return ", ".join(f"{word} {_write(bound, times)}" for bound, word in words.items())


def find_bound(times: TaskTimes, tasks: float) -> float:
    """Return the time within which this many attempts ended; infinity if above all bounds."""
    bounds = [*times.upper_seconds, inf]
    counted = zip(bounds, accumulate(times.counts), strict=True)
    return next((bound for bound, seen in counted if seen >= tasks), inf)


def _write(bound: float, times: TaskTimes) -> str:
    if bound == inf:
        return f"in more than {_write_seconds(times.upper_seconds[-1])}"
    return f"within {_write_seconds(bound)}"


def _write_seconds(seconds: float) -> str:
    for unit, length in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds * 1000:g} ms"
