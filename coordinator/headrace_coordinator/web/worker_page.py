"""The page of one worker."""

from __future__ import annotations

from operator import attrgetter
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from headrace_coordinator.web.display import count, duration, size
from headrace_coordinator.web.rendering import render
from headrace_coordinator.web.rows import worker_fields
from headrace_wire.messages.views import WorkerView
from headrace_wire.messages.workers import WorkerStatus

#: How many slots are shown individually.
SLOTS_SHOWN = 256


async def show_worker(request: Request) -> Response:
    """Show what a worker's slots run, its figures of the last hour, and what it is."""
    visitor = request.state.visitor
    view: WorkerView = await visitor.call("worker", request.path_params["worker"])
    status = view.status
    limit = status.memory_limit_bytes
    return render(
        request,
        "worker.html",
        worker=status,
        f=worker_fields(status),
        can_drain=visitor.has("drain"),
        cores=f"of {status.cores:g} {'core' if status.cores == 1 else 'cores'}",
        memory_note=f"of {size(limit)}" if limit else "no limit",
        slots=list_slots(view),
        facts=_list_facts(status),
    )


def list_slots(view: WorkerView) -> list[dict[str, str]]:
    """Return the slots that run something, and the other ones."""
    listed = [
        {
            "key": f"Slot {task.slot}",
            "name": f"Slot {task.slot}",
            "state": "busy",
            "task": f"task {count(task.index)}",
            "href": f"/jobs/{quote(task.job, safe='')}",
            "about": f"job {task.job[:12]} · for {duration(task.seconds)}",
            "more": size(task.rss_bytes) if task.rss_bytes else "",
            "idle": "",
        }
        for task in sorted(view.running, key=attrgetter("slot"))[:SLOTS_SHOWN]
    ]
    places = range(len(listed), min(view.status.slots, SLOTS_SHOWN))
    # Tasks that end before the next heartbeat are not shown individually.
    return listed + [_describe_rest(place, is_busy=place < view.status.busy) for place in places]


def _describe_rest(place: int, *, is_busy: bool) -> dict[str, str]:
    """Describe a slot of which no task is known."""
    state, words = ("busy", "busy with short tasks") if is_busy else ("idle", "idle")
    shown = {"key": str(place), "name": "Slot", "state": state, "idle": words}
    return {**shown, "task": "", "href": "", "about": "", "more": ""}


def _list_facts(worker: WorkerStatus) -> list[tuple[str, str]]:
    limit = worker.memory_limit_bytes
    return [
        ("Slots", f"{count(worker.slots)}, limited by {worker.slots_limit or 'nothing'}"),
        ("Cores", f"{worker.cores:g}"),
        ("Memory limit", size(limit) if limit else "none"),
        ("Engine", worker.engine),
        *((f"Service {name}", library or "yes") for name, library in worker.engines.items()),
        ("Python", worker.python),
        ("Start method", worker.start_method),
        ("CPU time", duration(worker.cpu_seconds)),
        ("Last heard", f"{duration(worker.heard_seconds)} ago"),
    ]
