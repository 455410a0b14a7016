"""What failed in a job, as the rows of a table. Failures that are alike are one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headrace.cli.top.columns import Column
from headrace_wire.alike import explain_failure, tell_first
from headrace_wire.messages.job_views import FailureGroup
from headrace_wire.printing import clean_line, clean_text
from headrace_wire.words import count

COLUMNS = (
    Column("TASKS", 7, is_number=True),
    Column("FIRST", 10, is_number=True),
    Column("WORKER", 14, rank=1),
    Column("FAILURE", 24),
)


def make_row(group: FailureGroup) -> Mapping[str, str]:
    """Return the cells of one kind of failure by their headings."""
    summary = f"{group.summary}: " if group.summary else ""
    more = f" +{len(group.workers) - 1}" if len(group.workers) > 1 else ""
    return {
        "TASKS": f"{group.count:,}",
        "FIRST": f"{group.first:,}",
        "WORKER": (group.workers[0] if group.workers else "-") + more,
        "FAILURE": summary + _explain(group),
    }


def describe_title(group: FailureGroup) -> str:
    """Return which tasks failed like this."""
    if group.count == 1:
        return f"task {group.first}"
    return f"{count(group.count, 'task')} failed alike, from task {group.first} to {group.last}"


def describe_group(group: FailureGroup) -> Iterator[str]:
    """Yield everything about it. The input and the traceback are those of the first task."""
    if group.summary:
        yield clean_line(f"input     {group.summary}")
    yield clean_line(f"reason    {_explain(group)}")
    if group.workers:
        yield clean_line(f"worker    {', '.join(group.workers)}")
    yield clean_text(group.traceback).rstrip("\n")


def _explain(group: FailureGroup) -> str:
    return explain_failure(tell_first(group))
