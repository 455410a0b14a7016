"""Waits for workers to connect to a coordinator, which reports each that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from headrace_wire.api import JobQueueApi
from headrace_wire.messages.views import EventRequest
from headrace_wire.timeouts import FOR_EVER, Limit

Found = TypeVar("Found")

#: After this many seconds, ``look`` is called even without news, because not all events of a large
#: number are reported.
LOOK_SECONDS = 2.0


def await_workers(jobs: JobQueueApi, look: Callable[[], Found], limit: Limit = FOR_EVER) -> Found:
    """Call ``look`` whenever something has happened to workers or jobs, until it finds something.

    Returns what it found, which is false if it found nothing before the limit. Raises
    UnreachableError.
    """
    cursor = jobs.events(EventRequest(last=1)).cursor  # before the first look
    while not (found := look()) and not limit.is_over:
        wait_seconds = limit.measure_left(LOOK_SECONDS)
        cursor = jobs.events(EventRequest(cursor=cursor, wait_seconds=wait_seconds)).cursor
    return found
