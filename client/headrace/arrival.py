"""Waiting for workers to connect to a coordinator, which tells of each that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from headrace_wire.api import JobQueueApi
from headrace_wire.messages.views import EventRequest
from headrace_wire.timeouts import FOR_EVER, Limit

Found = TypeVar("Found")

#: Seconds after which it is looked again though no news came: of many events at once not all are
#: told.
LOOK_SECONDS = 2.0


def await_workers(jobs: JobQueueApi, look: Callable[[], Found], limit: Limit = FOR_EVER) -> Found:
    """Look whenever something has happened to workers or jobs, until there is something to find.

    Returns what was found, which is false if nothing was by the limit. Raises UnreachableError.
    """
    cursor = jobs.events(EventRequest(last=1)).cursor  # before the first look, so as to miss none
    while not (found := look()) and not limit.is_over:
        wait_seconds = limit.measure_left(LOOK_SECONDS)
        cursor = jobs.events(EventRequest(cursor=cursor, wait_seconds=wait_seconds)).cursor
    return found
