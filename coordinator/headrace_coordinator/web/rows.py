"""The fields of the rows for jobs and workers on the page.

``static/rows.js`` makes the same fields in the browser, where rows are updated.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from headrace_coordinator.web.display import count, duration, percent, rate, size, things
from headrace_wire.messages.jobs import FINAL_STATES, JobStatus
from headrace_wire.messages.workers import WorkerStatus

#: After how many seconds without a message a worker is called silent.
SILENT_SECONDS = 15.0


def job_name(job: JobStatus) -> str:
    """Return the title of a job: its name, or the function that it calls, or its operation."""
    return job.name or job.function or f"{job.service} {job.operation}"


def describe_standing(job: JobStatus) -> str:
    """Return why nothing runs, what ended a job early, or that only its summary is left; else
    "".
    """
    if job.state not in FINAL_STATES:
        return job.waiting_for
    gone = "expired: its results are gone" if job.expired else ""
    return "; ".join(filter(None, (job.ended_because, gone)))


def job_fields(job: JobStatus) -> dict[str, Any]:
    """Return the fields of the row of a job."""
    wall, left = job.wall_seconds, job.left_seconds
    name = job_name(job)
    kind = job.function or f"{job.service} {job.operation}"
    about = [word for word in dict.fromkeys((kind, job.id[:12])) if word != name]
    time = duration(wall) if wall else ""
    if left is not None:
        time = f"{duration(left)} left"
    return {
        "href": f"/jobs/{quote(job.id, safe='')}",
        "name": name,
        "about": " · ".join(about),
        "state": job.state,
        "counted": f"{count(job.done)} of {count(job.tasks)}{'' if job.sealed else ' so far'}",
        "percent": percent(job.done, job.tasks) if job.sealed else "",
        "failed": f"{count(job.failed)} failed" if job.failed else "",
        "rate": rate(job.speed or 0.0) if job.tasks > 1 else "",
        "time": time,
        "submitted": job.submitted_at,
        "by": job.submitted_by,
        "note": describe_standing(job),
        "bar": [
            (part, number / job.tasks if job.tasks else 0.0)
            for part, number in (
                ("done", job.done),
                ("dead", job.failed),
                ("retrying", job.retrying),
                ("leased", job.leased),
                ("cancelled", job.cancelled),
            )
        ],
        "progress": f"{name}: {things(job.tasks, 'task')}, {count(job.done)} done, "
        f"{count(job.failed)} failed",
    }


def worker_state(worker: WorkerStatus) -> str:
    """Return what a worker does, in one word."""
    if worker.heard_seconds > SILENT_SECONDS:
        return "silent"
    if worker.draining:
        return "draining"
    return "busy" if worker.busy else "idle"


def worker_fields(worker: WorkerStatus) -> dict[str, Any]:
    """Return the fields of the row of a worker."""
    state = worker_state(worker)
    silent = f"silent for {duration(worker.heard_seconds)}"
    return {
        "href": f"/workers/{quote(worker.id, safe='')}",
        "name": worker.name or worker.id,
        "host": "" if worker.host == worker.name else worker.host,
        "state": state,
        "status": silent if state == "silent" else state,
        "slots": f"{count(worker.busy)} of {count(worker.slots)}",
        "cpu": f"{worker.cpu_percent / 100:.1f}",
        "memory": size(worker.rss_bytes),
        "done": count(worker.done),
        "failed": count(worker.failed) if worker.failed else "0",
        "version": worker.version,
        "connected": worker.connected_at,
        "bar": [("leased", min(1.0, worker.busy / worker.slots) if worker.slots else 0.0)],
    }
