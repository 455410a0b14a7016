"""The list of jobs: filtered, in pages."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from headrace_coordinator.web.display import count
from headrace_coordinator.web.job_query import SPANS, JobQuery, read_job_query
from headrace_coordinator.web.rendering import render
from headrace_wire.messages.jobs import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, JobStatus
from headrace_wire.messages.workers import WorkerStatus

#: The built-in services, which can be selected even if no worker offers them.
BUILT_IN = frozenset({"primes", "images", "calls"})


async def show_jobs(request: Request) -> Response:
    """Show a page of jobs."""
    asked = read_job_query(request.query_params)
    call = request.state.visitor.call
    listed: tuple[JobStatus, ...] = await call("jobs", asked.before, chosen=asked.chosen)
    total: int = await call("count_jobs", asked.chosen)
    workers: tuple[WorkerStatus, ...] = await call("workers")
    last = asked.first + len(listed) - 1
    return render(
        request,
        "jobs.html",
        jobs=listed,
        chosen=asked.chosen,
        past=asked.past,
        within=asked.within,
        wrong=asked.wrong,
        spans=SPANS,
        states=(QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED),
        services=_list_services(workers, asked),
        total=total,
        first=asked.first,
        counted=f"{count(asked.first)} to {count(last)} of {count(total)}" if listed else "None",
        newest=asked.address() if asked.trail else "",
        newer=asked.newer(),
        older=asked.older(listed[-1].number) if listed and last < total else "",
        asked=urlencode(asked.stream(), doseq=True),
    )


def _list_services(workers: tuple[WorkerStatus, ...], asked: JobQuery) -> list[str]:
    """Return the services that can be selected."""
    names = BUILT_IN.union({asked.chosen.service}, *(worker.engines for worker in workers))
    return sorted(name for name in names if name and "+" not in name)
