"""Selects the jobs for a list or a count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace_coordinator.queue.job import Job
from headrace_wire.messages.jobs import JobFilter

#: Selects all jobs.
EVERY_JOB = JobFilter()


def choose_jobs(
    jobs: Iterable[Job],
    chosen: JobFilter,
    before: float,
    by: str | None,
    *,
    data: bool = False,
) -> Iterator[Job]:
    """Yield those of the jobs that match the filter, with numbers below ``before``.

    Jobs that keep data for others are included if ``data``. With ``by``, only jobs that were
    submitted with the key of this name are.
    """
    states, service, since = chosen.states, chosen.service, chosen.since
    text, submitted_by = chosen.text.casefold(), chosen.submitted_by
    for job in jobs:
        if (
            job.number < before
            and by in (None, job.submitted_by)
            and (not states or job.state in states)
            and (not service or job.spec.service == service)
            and since <= job.submitted_at
            and (not submitted_by or job.submitted_by == submitted_by)
            and (not text or text in job.words)
            and (data or not job.keeps_data)
        ):
            yield job
