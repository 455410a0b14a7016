"""The page of one job."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from headrace_coordinator.web.display import count, duration, size, things
from headrace_coordinator.web.rendering import render
from headrace_coordinator.web.rows import job_fields
from headrace_wire.alike import explain_failure, tell_first
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import FailureGroup, FailureGroups
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.logs import LogPage, LogRequest

#: How many failures, running tasks and slowest tasks are listed.
FAILURES_SHOWN = 50
RUNNING_SHOWN = 50
SLOWEST_SHOWN = 10

#: How many characters may be more than the lines in which a text is shown.
LONG_TEXT = 120

_TASK_STATES = (
    ("done", "done"),
    ("leased", "leased"),
    ("retrying", "retrying"),
    ("waiting", "waiting"),
    ("dead", "failed"),
    ("cancelled", "cancelled"),
)


async def show_job(request: Request) -> Response:
    """Show one job."""
    call = request.state.visitor.call
    status: JobStatus = await call("status", request.path_params["job"])
    found = FailureGroups((), 0)
    failures: tuple[TaskFailure, ...] = ()
    if status.failed:
        found = await call("failure_groups", status.id)
        failures = await call("failures", status.id, 0, FAILURES_SHOWN)
    fields = job_fields(status)
    log: LogPage = await call("logs", LogRequest(job=status.id, cursor=0, wait_seconds=0.0))
    return render(
        request,
        "job.html",
        job=status,
        f=fields,
        speed=" · ".join(filter(None, (fields["percent"], fields["rate"], fields["time"]))),
        task_states=_TASK_STATES,
        counts={
            "done": status.done,
            "leased": status.leased,
            "retrying": status.retrying,
            "waiting": status.waiting,
            "dead": status.failed,
            "cancelled": status.cancelled,
        },
        groups=[_describe_group(group) for group in found.groups],
        failures=failures,
        failures_about=_describe_failures(status, found) if status.failed else "",
        running=await call("running", status.id, RUNNING_SHOWN),
        slowest=await call("slowest", status.id, SLOWEST_SHOWN),
        log=log,
        log_about=_describe_log(log),
        facts=_list_facts(status),
        hints=_HINTS,
    )


def _describe_failures(job: JobStatus, found: FailureGroups) -> str:
    kinds = things(len(found) + found.kinds_left_out, "kind")
    about = f"{things(job.failed, 'task')} failed, {kinds} of failure"
    if found.looked_at < job.failed:
        about += f" among the first {count(found.looked_at)}"
    if found.kinds_left_out:
        about += f", of which the {count(len(found))} most frequent are here"
    return about


def _describe_group(group: FailureGroup) -> dict[str, str]:
    """Describe similar failures, as ``static/failures.js`` does."""
    where = f"first task {count(group.first)}, last {count(group.last)}"
    if group.count == 1:
        where = f"task {count(group.first)}"
    if group.workers:
        more = len(group.workers) - 4
        where += f" · on {', '.join(group.workers[:4])}" + (f" and {more} more" if more > 0 else "")
    what = explain_failure(tell_first(group))
    return {
        "key": f"{group.reason}\n{group.error_type}\n{group.message}",
        "times": things(group.count, "task"),
        "what": what,
        "where": where,
        # A long text is shortened in its line, and shown completely below.
        "traceback": group.traceback or (what if len(what) > LONG_TEXT else ""),
    }


def _describe_log(log: LogPage) -> str:
    lines = things(len(log.lines), "line") if log.lines else ""
    return ", ".join(filter(None, (lines, f"{count(log.dropped)} not kept" if log.dropped else "")))


#: Explanations of facts whose names are not enough, by key.
_HINTS = {
    "cpu": "what processors worked for its tasks",
    "busy": "how long its tasks took in all, waiting for disks and networks included",
}


def _list_facts(job: JobStatus) -> list[tuple[str, Any, str]]:
    """Return what there is to know about a job: names, values, and the key of those that change."""
    retries = "the defaults: errors and timeouts are final, crashes are tried 3 times"
    if job.retries is not None:
        retries = str(job.retries)
    return [
        ("Service", f"{job.service} {job.operation}", ""),
        *([("Function", job.function, "")] if job.function else []),
        ("Submitted by", job.submitted_by, ""),
        ("Submitted", job.submitted_at, "submitted"),
        ("Started", job.started_at, "started"),
        ("Ended", job.finished_at, "finished"),
        ("Took", duration(job.wall_seconds), "wall"),
        ("CPU time", duration(job.cpu_seconds), "cpu"),
        ("Time in slots", duration(job.busy_seconds), "busy"),
        ("Bytes in", size(job.bytes_in), "in"),
        ("Bytes out", size(job.bytes_out), "out"),
        ("Results", "kept" if job.results_kept else "not kept", "kept"),
        ("Priority", str(job.priority), ""),
        ("Time limit of a task", duration(job.timeout_seconds) or "none", ""),
        ("Deadline", duration(job.deadline_seconds) or "none", ""),
        ("Retries", retries, ""),
    ]
