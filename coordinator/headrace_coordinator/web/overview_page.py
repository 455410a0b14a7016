"""The overview page of the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from headrace_coordinator.web.display import count, duration, rate, things
from headrace_coordinator.web.rendering import render
from headrace_coordinator.web.rows import worker_state
from headrace_wire.messages.jobs import FAILED, FINAL_STATES, QUEUED, RUNNING, JobFilter
from headrace_wire.messages.views import ClusterEvent, EventPage, EventRequest, Overview
from headrace_wire.messages.workers import WorkerStatus

#: How many of each are shown, here and in ``static/pages/overview.js``.
ACTIVE_SHOWN = 20
ENDED_SHOWN = 10
WORKERS_SHOWN = 12
EVENTS_SHOWN = 20

#: If more workers than this come or go in a row, they are not shown one by one.
WORKERS_IN_ROW = 3

#: How many events are read, of which some are shown.
EVENTS_READ = 200

_ORDER = ("silent", "draining", "busy", "idle")


async def show_overview(request: Request) -> Response:
    """Show figures, running and finished jobs, workers, and events."""
    call = request.state.visitor.call
    over: Overview = await call("overview")
    workers: tuple[WorkerStatus, ...] = await call("workers")
    events: EventPage = await call("events", EventRequest(last=EVENTS_READ))
    order = sorted(workers, key=lambda worker: (_ORDER.index(worker_state(worker)), worker.name))
    ended = tuple(FINAL_STATES)
    return render(
        request,
        "overview.html",
        over=over,
        figures=describe_overview(over),
        active=await call("jobs", chosen=JobFilter(states=(RUNNING, QUEUED), limit=ACTIVE_SHOWN)),
        active_count=_count_active(over),
        ended=await call("jobs", chosen=JobFilter(states=ended, limit=ENDED_SHOWN)),
        workers=order[:WORKERS_SHOWN],
        workers_more=_count_workers(len(order)),
        events=condense(events.events[::-1]),
    )


def describe_overview(over: Overview) -> dict[str, str]:
    """Return the figures at the top, formatted as in ``static/figures.js``."""
    retrying = f", {count(over.retrying)} retrying" if over.retrying else ""
    return {
        "slots": f"{count(over.busy)} of {count(over.slots)}",
        "slots_note": f"{count(max(0, over.slots - over.busy))} idle" if over.slots else "no slots",
        "waiting": count(over.waiting),
        "waiting_note": f"{count(over.leased)} leased{retrying}",
        "backlog": duration(over.backlog_seconds),
        "done": rate(over.done_per_second) or "0/s",
        "failed": rate(over.failed_per_second) or "0/s",
        "failed_note": things(over.jobs.get(FAILED, 0), "failed job"),
        "failed_tone": "bad" if over.failed_per_second else "",
        "workers": count(over.workers),
        "workers_note": f"{count(over.draining)} draining" if over.draining else "connected",
    }


def condense(events: Iterable[ClusterEvent]) -> list[ClusterEvent]:
    """Return the events to show, the newest first. Of the failed tasks of a job, only the newest is
    shown, and the same is true of many workers in a row that come or go.
    """
    seen: set[str] = set()
    found: list[ClusterEvent] = []
    for kind, group in groupby(events, attrgetter("kind")):
        several = list(group)
        if kind == "task-failed":
            for event in several:
                if event.job not in seen:
                    found.append(event)
                seen.add(event.job)
        elif kind.startswith("worker-") and len(several) > WORKERS_IN_ROW:
            newest = several[0]
            more = f"{newest.text}, and {count(len(several) - 1)} more workers"
            found.append(replace(newest, text=more))
        else:
            found += several
    return found[:EVENTS_SHOWN]


def _count_active(over: Overview) -> str:
    running, queued = over.jobs.get(RUNNING, 0), over.jobs.get(QUEUED, 0)
    return f"{count(running)} running, {count(queued)} queued" if running + queued else ""


def _count_workers(number: int) -> str:
    return f"{WORKERS_SHOWN} of {count(number)}" if number > WORKERS_SHOWN else ""
