"""Which failures of tasks are alike: one rule for every list of them."""

from __future__ import annotations

import re

from headrace_wire.failures import describe_error
from headrace_wire.messages.failures import ERROR, TaskFailure
from headrace_wire.messages.job_views import FailureGroup, FailureGroups
from headrace_wire.words import count

#: What may differ between failures of one kind: texts in quotes, and numbers.
_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|\d+(\.\d+)?", re.IGNORECASE)

#: What failures that are alike have in common.
Kind = tuple[str, ...]


def find_kind(failure: TaskFailure) -> Kind:
    """The kind of a failure. It has the same reason and text as others of its kind, but for the
    input of its task, and for numbers and what is in quotes.
    """
    text, named = explain_failure(failure), name_input(failure)
    pattern = _DETAIL.sub("…", text.replace(named, "…") if named else text)
    return failure.reason, failure.signal, failure.error_type, pattern


def name_input(failure: TaskFailure) -> str:
    """What the task was given, in one line, as ``explain_failure`` has it in its text."""
    return " ".join(failure.summary.split())


def explain_failure(failure: TaskFailure) -> str:
    """What happened, in one line without the task."""
    message = " ".join(describe_error(failure).split())
    if failure.reason == ERROR:
        return message
    cause = f"{failure.reason} ({failure.signal})" if failure.signal else failure.reason
    return f"{cause}: {message}" if message else cause


def explain_rest(found: FailureGroups, failed: int) -> str:
    """Of which of a job's failures there are groups, "" where that is all of them."""
    parts: list[str] = []
    if found.looked_at < failed:
        parts.append(f"among the first {found.looked_at:,} of {count(failed, 'failure')}")
    if found.kinds_left_out:
        parts.append(f"the {len(found):,} most frequent of {count(found.kinds, 'kind')}")
    return ", ".join(parts)


def tell_first(group: FailureGroup) -> TaskFailure:
    """The failure of a group's first task, as far as it is told."""
    return TaskFailure(
        lease=0,
        job="",
        index=group.first,
        attempt=1,
        reason=group.reason,
        signal=group.signal,
        error_type=group.error_type,
        message=group.message,
    )
