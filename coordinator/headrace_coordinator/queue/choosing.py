"""Which jobs a list or a count is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace_coordinator.queue.job import Job
from headrace_wire.messages.jobs import JobFilter

#: Chooses all jobs.
EVERY_JOB = JobFilter()


def choose_jobs(
    jobs: Iterable[Job],
    chosen: JobFilter,
    before: float,
    by: str | None,
    *,
    data: bool = False,
) -> Iterator[Job]:
    """Those of some jobs that were chosen, with numbers below ``before``.

    Those that keep data for others are among them if ``data``. With ``by``, only those that were
    submitted with the key of this name.
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
