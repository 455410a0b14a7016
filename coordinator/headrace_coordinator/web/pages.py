"""The pages for people.

They are complete without JavaScript. The modules in ``static/`` then update them.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headrace_coordinator.web.display import things
from headrace_coordinator.web.job_page import show_job
from headrace_coordinator.web.jobs_page import show_jobs
from headrace_coordinator.web.names import register_names
from headrace_coordinator.web.overview_page import show_overview
from headrace_coordinator.web.rendering import render
from headrace_coordinator.web.worker_page import show_worker
from headrace_wire.messages.views import EventPage, EventRequest
from headrace_wire.messages.workers import WorkerStatus

#: How many events are on their page when it is opened; the browser requests more.
EVENTS_SHOWN = 200


async def show_workers(request: Request) -> Response:
    """Show all workers."""
    workers: tuple[WorkerStatus, ...] = await request.state.visitor.call("workers")
    slots = sum(worker.slots for worker in workers)
    return render(
        request,
        "workers.html",
        workers=sorted(workers, key=lambda worker: worker.name),
        counted=f"{things(len(workers), 'worker')}, {things(slots, 'slot')}",
    )


async def show_events(request: Request) -> Response:
    """Show events of jobs and workers, the newest first."""
    request_newest = EventRequest(last=EVENTS_SHOWN)
    page: EventPage = await request.state.visitor.call("events", request_newest)
    missed = f"{things(page.missed, 'event')} before these are no longer kept."
    return render(
        request,
        "events.html",
        events=page.events[::-1],
        missed=missed if page.missed else "",
    )


register_names()  # before a route has such a part

PAGES: list[Route] = [
    Route("/", show_overview, name="overview"),
    Route("/jobs", show_jobs, name="jobs"),
    Route("/jobs/{job:named}", show_job, name="job"),
    Route("/workers", show_workers, name="workers"),
    Route("/workers/{worker:named}", show_worker, name="worker"),
    Route("/events", show_events, name="events"),
]
