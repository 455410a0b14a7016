"""How many tasks are sent to another cluster together, and how many spans are there at a time.

A span has enough work to make the cost of sending it negligible, and no more, because all of it
runs again if the process dies.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from headrace_worker.pool.backlog import Span

#: How many seconds of work a span has if its tasks are short, and how many tasks at most.
SPAN_SECONDS = 0.25
SPAN_TASKS = 1000

#: The maximum number of bytes of inputs in a span, unless a single task has more.
SPAN_BYTES = 4 << 20

#: How many spans wait in the other cluster for each slot, in addition to the running ones, so that
#: no process waits for a round trip. There are none for tasks that take longer than this many
#: seconds.
AHEAD = 1
AHEAD_SECONDS = 1.0


def count_room(slots: int, mean_seconds: float | None) -> int:
    """Return how many spans of such tasks may be in the other cluster at the same time."""
    ahead = AHEAD if mean_seconds is not None and mean_seconds <= AHEAD_SECONDS else 0
    return slots * (1 + ahead)


def choose_tasks(span: Span, mean_seconds: float | None, waiting_tasks: int, idle: int) -> int:
    """Return how many tasks of a span are sent together, of ``waiting_tasks`` for ``idle`` slots.

    If the time of the tasks is not known, or if they take long, it is one.
    """
    if mean_seconds is None or mean_seconds > SPAN_SECONDS:
        return 1
    # No slot is idle while others have more than one task. If none is idle, there is no hurry.
    fair = math.ceil(waiting_tasks / max(1, idle))
    tasks = min(SPAN_TASKS, fair, len(span), int(SPAN_SECONDS / max(mean_seconds, 1e-6)))
    if span.batch.inputs is not None:
        first = span.start - span.batch.start
        tasks = _fit(map(len, span.batch.inputs[first : first + tasks]))
    return max(1, tasks)


def _fit(sizes: Iterable[int]) -> int:
    """Return how many inputs of these sizes are sent together."""
    room, tasks = SPAN_BYTES, 0
    for size in sizes:
        room -= size
        if room < 0:
            break
        tasks += 1
    return tasks
