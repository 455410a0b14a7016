"""Jobs that have expired, and of which the history keeps a summary."""

from __future__ import annotations

import asyncio
from math import inf

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.serving.callers import JobAccess
from headrace_wire.api import IDS_MATCHED, JOBS_PER_PAGE
from headrace_wire.errors import UnknownJobError
from headrace_wire.job_views import PastJob
from headrace_wire.messages import JobFilter, JobStatus


class PastJobs:
    """The history as callers may see it, in the event loop's thread."""

    def __init__(self, ledger: Ledger, access: JobAccess) -> None:
        self._ledger = ledger
        self._access = access

    def find(self, job_id: str, unknown: UnknownJobError) -> PastJob:
        """What is kept of a job that is unknown. Raises ``unknown`` where there is nothing."""
        past = self.look_up(job_id)
        if past is None:
            raise unknown
        return past

    def look_up(self, job_id: str) -> PastJob | None:
        """What is kept of a job, if the caller may know of it."""
        past = self._ledger.store.history.find(job_id)
        by = self._access.find_limit()
        return past if past and by in (None, past.status.submitted_by) else None

    def match(self, start: str) -> list[str]:
        """The ids of the newest that begin so."""
        return self._ledger.store.history.match(start, self._access.find_limit(), IDS_MATCHED)

    async def list_jobs(self, before: int, chosen: JobFilter) -> tuple[JobStatus, ...]:
        """A page of them, the newest first."""
        read, by = self._ledger.store.history.list_jobs, self._access.find_limit()
        return await asyncio.to_thread(read, chosen, before or inf, JOBS_PER_PAGE, by)

    async def count_jobs(self, chosen: JobFilter) -> int:
        read = self._ledger.store.history.count_jobs
        return await asyncio.to_thread(read, chosen, self._access.find_limit())
