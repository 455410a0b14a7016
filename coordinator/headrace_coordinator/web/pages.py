"""The pages: what people look at."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headrace_coordinator.web.rendering import render
from headrace_wire.messages import JobFilter

#: Jobs on one page.
JOBS_SHOWN = 50


async def show_jobs(request: Request) -> Response:
    """The newest jobs, and how the coordinator does."""
    visitor = request.state.visitor
    jobs = await visitor.call("jobs", chosen=JobFilter(limit=JOBS_SHOWN))
    return render(request, "jobs.html", jobs=jobs, info=await visitor.call("info"))


PAGES: list[Route] = [Route("/", show_jobs, name="overview")]
