"""How many tasks travel to another cluster together, and how many spans are there at a time.

A span holds about so much work that what it costs to send it does not matter, and no more: it is
what runs again if the process dies.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from headrace_worker.pool.backlog import Span

#: How many seconds of work a span holds, if its tasks are short, and how many tasks at most.
SPAN_SECONDS = 0.25
SPAN_TASKS = 1000

#: Bytes of inputs of a span, unless one task alone has more.
SPAN_BYTES = 4 << 20

#: Spans that wait at the other side for each slot, beside those that run, so that no process waits
#: for the way there and back; tasks that take longer than so many seconds do without.
AHEAD = 1
AHEAD_SECONDS = 1.0


def count_room(slots: int, mean_seconds: float | None) -> int:
    """How many spans there may be at the other side, of tasks that take so long."""
    ahead = AHEAD if mean_seconds is not None and mean_seconds <= AHEAD_SECONDS else 0
    return slots * (1 + ahead)


def choose_tasks(span: Span, mean_seconds: float | None, waiting_tasks: int, idle: int) -> int:
    """How many of the tasks of a span are sent together, of ``waiting_tasks`` for ``idle`` slots.

    Of tasks whose time is not known, or that take long, it is one.
    """
    if mean_seconds is None or mean_seconds > SPAN_SECONDS:
        return 1
    # None idles while others have more than one; with none that idles, there is no hurry.
    fair = math.ceil(waiting_tasks / max(1, idle))
    tasks = min(SPAN_TASKS, fair, len(span), int(SPAN_SECONDS / max(mean_seconds, 1e-6)))
    if span.batch.inputs is not None:
        first = span.start - span.batch.start
        tasks = _fit(map(len, span.batch.inputs[first : first + tasks]))
    return max(1, tasks)


def _fit(sizes: Iterable[int]) -> int:
    """How many inputs of these sizes travel together."""
    room, tasks = SPAN_BYTES, 0
    for size in sizes:
        room -= size
        if room < 0:
            break
        tasks += 1
    return tasks
