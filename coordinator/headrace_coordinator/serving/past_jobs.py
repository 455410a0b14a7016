"""Jobs that have expired, whose summaries are kept in the history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from math import inf
from typing import Any, TypeVar

from headrace_coordinator.ledger.ledger import Ledger, Transition
from headrace_coordinator.serving.callers import JobAccess, refuse_job
from headrace_wire.api import IDS_MATCHED, JOBS_PER_PAGE
from headrace_wire.errors import HeadraceError, UnknownJobError
from headrace_wire.messages.job_views import PastJob
from headrace_wire.messages.jobs import JobFilter, JobStatus

Answer = TypeVar("Answer")


class PastJobs:
    """The history as callers may see it, in the event loop's thread."""

    def __init__(self, ledger: Ledger, access: JobAccess) -> None:
        self._ledger = ledger
        self._access = access

    def answer(
        self,
        job_id: str,
        look: Transition[Answer],
        otherwise: Callable[[PastJob], Answer],
    ) -> Answer:
        """Query a job, or its summary if it has expired. Raises UnknownJobError."""
        try:
            return self._ledger.observe(look)
        except UnknownJobError:
            past = self.look_up(job_id)
            if past is None:
                raise
            return otherwise(past)

    async def answer_later(
        self,
        job_id: str,
        look: Coroutine[Any, Any, Answer],
        otherwise: Callable[[PastJob], Answer],
    ) -> Answer:
        """Do the same with a query that takes a while."""
        try:
            return await look
        except UnknownJobError:
            past = self.look_up(job_id)
            if past is None:
                raise
            return otherwise(past)

    def look_up(self, job_id: str) -> PastJob | None:
        """Return the summary of a job, if the caller may access it."""
        past = self._ledger.store.history.find(job_id)
        by = self._access.find_limit()
        return past if past and by in (None, past.status.submitted_by) else None

    def require_free(self, job_id: str) -> None:
        """Raise UnknownJobError for the id of a past job that the caller may not access.

        Otherwise a new job could replace its summary.
        """
        by = self._access.find_limit()
        if by is not None:
            past = self._ledger.store.history.find(job_id)
            if past and past.status.submitted_by != by:
                raise refuse_job(job_id)

    def match(self, start: str) -> list[str]:
        """Return the ids of the newest past jobs that begin with ``start``."""
        return self._ledger.store.history.match(start, self._access.find_limit(), IDS_MATCHED)

    async def list_jobs(self, before: int, chosen: JobFilter) -> tuple[JobStatus, ...]:
        """Return a page of past jobs, the newest first."""
        read, by = self._ledger.store.history.list_jobs, self._access.find_limit()
        return await _read_elsewhere(partial(read, chosen, before or inf, JOBS_PER_PAGE, by))

    async def count_jobs(self, chosen: JobFilter) -> int:
        read = self._ledger.store.history.count_jobs
        return await _read_elsewhere(partial(read, chosen, self._access.find_limit()))


async def _read_elsewhere(read: Callable[[], Answer]) -> Answer:
    """Read in a thread, because it may take a while. Raises HeadraceError if no thread can
    start.
    """
    try:
        return await asyncio.to_thread(read)
    except RuntimeError as error:
        raise HeadraceError(f"past jobs cannot be read just now ({error}): try again") from None
