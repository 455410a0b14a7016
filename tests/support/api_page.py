"""docs/api.md: every public class and function, made from its signature and docstring.

``make api`` writes the page, and a test compares them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from msgspec import Struct

import headrace
from headrace.async_job import AsyncJob
from headrace.async_shared.collections import AsyncDict, AsyncList
from headrace.async_shared.primitives import AsyncEvent, AsyncLock, AsyncQueue, AsyncValue
from headrace.backlog import CallFuture
from headrace.commands import JobCommand, carry_out
from headrace.job import Job
from headrace.outcomes import AsyncResult
from headrace.shared.dicts import SharedDict
from headrace.shared.events import SharedEvent
from headrace.shared.lists import SharedList
from headrace.shared.locks import SharedLock
from headrace.shared.queues import SharedQueue
from headrace.shared.values import SharedValue
from headrace_services.service import Gathered, Plan, Service, Target
from headrace_services.task import Task, TaskCounter
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import FailureGroup, TaskRun, TaskRuns, TaskTimes
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.logs import LogLine
from headrace_wire.messages.views import (
    ClusterEvent,
    Overview,
    Timeline,
    TimePoint,
    WorkerPoint,
    WorkerView,
)
from headrace_wire.messages.workers import RunningTask, WorkerStatus
from support.places import REPOSITORY

#: The page.
PAGE = REPOSITORY / "docs" / "api.md"

#: Columns of a line of code.
_WIDTH = 100

#: Classes that a program calls itself: of these the page shows the parameters.
_MADE_BY_PROGRAMS = (
    headrace.Pool, headrace.Executor, headrace.Cluster, headrace.AsyncCluster,
    headrace.SubmitOptions, headrace.CallOptions, Plan, Gathered,
)  # fmt: skip

_HEAD = (
    "# Programming interface\n\n"
    "Everything public, made from the docstrings by `make api`. What stands under Services is "
    "imported from\n`headrace_services.service`, the commands of services from "
    "`headrace.commands`, whatever else a program makes\nitself from `headrace`. What is different "
    "from the standard library is told in "
    "[differences.md](differences.md).\n"
)

#: Methods that other parts of the package call, and no program.
_INTERNAL = {
    "end_with_program", "prepare_to_wait", "settle", "note_withdrawn", "seal_function", "seal_call",
    "seal_value", "get_params", "invoke",
}  # fmt: skip

#: Titles of the sections, with what stands in each.
_SECTIONS: dict[str, tuple[Any, ...]] = {
    "Pools and executors": (headrace.Pool, AsyncResult, headrace.Executor, CallFuture),
    "Clusters and jobs": (
        headrace.Cluster, Job, headrace.SubmitOptions, headrace.CallOptions, JobStatus, TaskFailure,
        LogLine, FailureGroup, TaskTimes, TaskRuns, TaskRun, headrace.AsyncCluster, AsyncJob,
    ),
    "Workers and the whole cluster": (
        WorkerStatus, WorkerView, RunningTask, WorkerPoint, Overview, Timeline, TimePoint,
        ClusterEvent,
    ),
    "Inside of a task": (headrace.current_task, Task, TaskCounter, headrace.current_cluster),
    "Shared state": (SharedValue, SharedList, SharedDict, SharedQueue, SharedLock, SharedEvent),
    "Shared state, awaited": (AsyncValue, AsyncList, AsyncDict, AsyncQueue, AsyncLock, AsyncEvent),
    "Services": (Service, Plan, Target, Gathered),
    "Commands of services": (JobCommand, carry_out),
}  # fmt: skip


def make_page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    for title, things in _SECTIONS.items():
        parts.append(f"## {title}\n")
        for thing in things:
            parts += _describe_class(thing) if inspect.isclass(thing) else _describe(thing)
    parts.append("## Exceptions\n")
    parts.append("Those of the project are `HeadraceError`, and what stands in brackets.\n")
    parts += [f"- {_describe_error(error)}" for error in list_errors()]
    return "\n".join(parts) + "\n"


def list_public() -> Iterator[Any]:
    """Whatever the page has a section for."""
    for things in _SECTIONS.values():
        yield from things


def list_errors() -> list[type[BaseException]]:
    """The exceptions that can be imported from ``headrace``."""
    found = [getattr(headrace, name) for name in headrace.__all__]
    return [one for one in found if inspect.isclass(one) and issubclass(one, BaseException)]


def _describe(function: Callable[..., Any]) -> list[str]:
    return [f"### {function.__name__}\n", _write_code(function.__name__, function), _text(function)]


def _describe_class(kind: type) -> list[str]:
    parts = [f"### {kind.__name__}\n"]
    if kind in _MADE_BY_PROGRAMS:
        parts.append(_write_code(kind.__name__, kind))
    parts.append(_text(kind))
    if issubclass(kind, Struct) and kind not in _MADE_BY_PROGRAMS:
        parts += _list_fields(kind)
    parts += [_describe_member(name, member) for name, member in list_members(kind)]
    return [*parts, ""]


def _describe_member(name: str, member: Any) -> str:
    """A line of a list, and whatever the docstring has beyond its first paragraph below it."""
    if isinstance(member, property):
        signed = name
    else:
        awaited = "await " if inspect.iscoroutinefunction(member) else ""
        signed = f"{awaited}{name}{_sign(member)}"
    first, *more = _text(member).strip().split("\n\n")
    lines = [f"- `{signed}`: {' '.join(first.split())}"]
    lines += ["", *("  " + one for one in "\n\n".join(more).splitlines())] if more else []
    return "\n".join(line.rstrip() for line in lines)


def _list_fields(kind: type[Struct]) -> Iterator[str]:
    """The fields of a Struct, with the types and the comments that stand beside them."""
    hints = get_type_hints(kind)
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("headrace"):
            continue
        comment: list[str] = []
        for line in inspect.getsource(base).splitlines():
            if found := re.match(r"    #: ?(.*)", line):
                comment.append(found[1])
            elif (found := re.match(r"    (\w+): ", line)) and found[1] in hints:
                said = f": {' '.join(comment)}" if comment else ""
                yield f"- `{found[1]}: {_write_type(hints[found[1]])}`{said}"
                comment = []


def _write_type(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    text = re.sub(r"\b(?:[a-z_]\w*\.)+", "", text)
    return re.sub(r"\bOptional\[(\w+)\]", r"\1 | None", text)


def list_members(kind: Any) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, of a function none."""
    seen: set[str] = set()
    for base in inspect.getmro(kind) if inspect.isclass(kind) else ():
        if not base.__module__.startswith("headrace"):
            continue
        for name in vars(base):
            member = inspect.getattr_static(kind, name)
            if isinstance(member, staticmethod | classmethod):
                member = member.__func__
            if name.startswith("_") or name in seen | _INTERNAL:
                continue
            if isinstance(member, property) or inspect.isfunction(member):
                seen.add(name)
                yield name, member


def _describe_error(error: type[BaseException]) -> str:
    if not error.__module__.startswith("headrace"):
        return f"`{error.__name__}`: `{error.__module__.partition('.')[0]}.{error.__name__}`."
    known = [
        base.__name__
        for base in error.__mro__[1:]
        if base.__module__ == "builtins" and base not in (Exception, BaseException, object)
    ]
    bases = f" ({', '.join(known)})" if known else ""
    return f"`{error.__name__}`{bases}: {' '.join(_text(error).split())}"


def _text(thing: Any) -> str:
    """A docstring as Markdown."""
    text = inspect.getdoc(thing) or ""
    return re.sub(r"``(.+?)``", r"`\1`", text) + "\n"


class _Bare(str):
    """An annotation that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _write_code(name: str, thing: Any) -> str:
    """A signature as a block of code, a parameter in a line where it is long."""
    signed = f"{name}{_sign(thing)}"
    if len(signed) > _WIDTH:
        parameters = _list_parameters(thing)
        lines = [f"    {one}," for one in parameters]
        stars = [one.kind is one.KEYWORD_ONLY for one in parameters]
        if True in stars:
            lines.insert(stars.index(True), "    *,")
        signed = f"{name}(\n" + "\n".join(lines) + "\n)"
    return f"```python\n{signed}\n```\n"


def _sign(thing: Any) -> str:
    signature = inspect.signature(thing)
    text = str(
        signature.replace(
            parameters=_list_parameters(thing), return_annotation=inspect.Signature.empty
        )
    )
    returned = signature.return_annotation
    if inspect.isclass(thing) or returned in (signature.empty, None, "None"):
        return text
    return f"{text} -> {returned if isinstance(returned, str) else _write_type(returned)}"


def _list_parameters(thing: Any) -> list[inspect.Parameter]:
    return [
        one.replace(
            annotation=_Bare(
                one.annotation if isinstance(one.annotation, str) else _write_type(one.annotation)
            )
        )
        if one.annotation is not one.empty
        else one
        for one in inspect.signature(thing).parameters.values()
        if one.name != "self"
    ]


def main() -> None:
    """Write the page, or to the file that is named."""
    path = Path(sys.argv[1]) if sys.argv[1:] else PAGE
    path.write_text(make_page())


if __name__ == "__main__":
    main()
