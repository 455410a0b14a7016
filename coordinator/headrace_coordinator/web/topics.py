"""The topics that a stream may request, and the calls of the API for each of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, defstruct
from msgspec.structs import fields as list_fields

from headrace_coordinator.web.calls import Call, Poll
from headrace_coordinator.web.feeds import Feed
from headrace_coordinator.web.gate import Visitor
from headrace_coordinator.web.methods import Method, list_methods
from headrace_wire.bounds import MAX_TASK_RUNS, MAX_TASKS, Count, OptionalLabel, read_hints
from headrace_wire.messages.jobs import CANCELLED, FAILED, SUCCEEDED

Topic = Literal[
    "overview", "timeline", "jobs", "ended", "job", "tasks", "times", "workers", "worker",
    "events", "logs",
]  # fmt: skip

#: The parameter that a topic requires.
WANTED: dict[str, str] = {
    "job": "job", "tasks": "job", "times": "job", "logs": "job", "worker": "worker"
}  # fmt: skip

#: How many running tasks, runs of tasks, slowest tasks, and finished jobs a page receives.
MAX_TASKS_SHOWN = 100
RUNS_SHOWN = min(20_000, MAX_TASK_RUNS)
SLOWEST_SHOWN = 10
ENDED_SHOWN = 10

#: Seconds between two queries of how long the tasks of a job took, and of finished jobs.
TIMES_SECONDS = 4.0
ENDED_SECONDS = 2.0

#: The method whose parameters select jobs.
_JOBS: Method = next(one for one in list_methods() if one.name == "jobs.jobs")


def _make_query() -> type[Struct]:
    hints = read_hints(_JOBS.given)
    return defstruct(
        "stream",
        [
            ("topic", Annotated[tuple[Topic, ...], Meta(min_length=1, max_length=11)]),
            ("job", OptionalLabel, ""),
            ("worker", OptionalLabel, ""),
            ("cursor", Count, 0),
            ("last", Count, 0),
            *[(one.name, hints[one.name], one.default) for one in list_fields(_JOBS.given)],
        ],
        kw_only=True,
        forbid_unknown_fields=True,
        frozen=True,
    )


#: The query of a stream.
StreamQuery = _make_query()


def choose_feed(topic: str, query: Any) -> tuple[Hashable, Callable[[Visitor], Feed]]:
    """Return what a feed of a topic shows, and a function that makes it, which raises
    BoundsError.
    """
    job, worker = query.job, query.worker
    match topic:
        case "jobs":
            given = {one: getattr(query, one) for one in _JOBS.given.__struct_fields__}
            return (topic, _JOBS.given(**given)), lambda one: _follow_jobs(topic, one, given)
        case "ended":
            ended = {"states": (SUCCEEDED, FAILED, CANCELLED), "limit": ENDED_SHOWN}
            return topic, lambda one: _follow_jobs(topic, one, ended, ENDED_SECONDS)
        case "job":
            return (topic, job), lambda one: _follow_job(one, job)
        case "tasks":
            return (topic, job), lambda one: _follow_tasks(one, job)
        case "times":
            return (topic, job), lambda one: _follow_times(one, job)
        case "worker":
            return (topic, worker), lambda one: _follow(topic, one.prepare("worker", worker))
        case "timeline":
            return topic, lambda one: _follow(topic, one.prepare(topic, 0.0))
        case _:
            return topic, lambda one: _follow(topic, one.prepare(topic))


def _follow(topic: str, call: Call, seconds: float = 0.0) -> Feed:
    return Feed(topic, Poll((call,)), _be_all, seconds)


def _be_all(answer: Any) -> Any:
    return answer


def _follow_jobs(topic: str, visitor: Visitor, given: dict[str, Any], seconds: float = 0.0) -> Feed:
    arguments = _JOBS.build({}, _JOBS.given(**given))
    return _follow(topic, visitor.prepare("jobs.jobs", **arguments), seconds)


def _follow_job(visitor: Visitor, job: str) -> Feed:
    calls = (
        visitor.prepare("status", job),
        visitor.prepare("progress", job, MAX_TASKS_SHOWN),
        visitor.prepare("running", job, MAX_TASKS_SHOWN),
    )
    return Feed("job", Poll(calls), _join_job)


def _join_job(status: Any, progress: Any, running: Any) -> dict[str, Any]:
    return {"status": status, "progress": progress, "running": running}


def _follow_tasks(visitor: Visitor, job: str) -> Feed:
    runs = visitor.prepare("task_runs", job, 0, MAX_TASKS, RUNS_SHOWN)
    poll = Poll((visitor.prepare("status", job), runs), skip_unchanged=True)
    return Feed("tasks", poll, _leave_out_status)


def _leave_out_status(_: Any, runs: Any) -> Any:
    return runs


def _follow_times(visitor: Visitor, job: str) -> Feed:
    calls = (
        visitor.prepare("status", job),
        visitor.prepare("task_times", job),
        visitor.prepare("slowest", job, SLOWEST_SHOWN),
    )
    return Feed("times", Poll(calls, skip_unchanged=True), _join_times, TIMES_SECONDS)


def _join_times(_: Any, times: Any, slowest: Any) -> dict[str, Any]:
    return {"times": times, "slowest": slowest}
