"""Decides which failures of tasks are alike, with the same rule in every list of them."""

from __future__ import annotations

import re

from headrace_wire.failures import describe_error
from headrace_wire.messages.failures import ERROR, TaskFailure
from headrace_wire.messages.job_views import FailureGroup, FailureGroups
from headrace_wire.words import count

#: What may differ between failures of one kind: quoted text, and numbers.
_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|\d+(\.\d+)?", re.IGNORECASE)

#: What similar failures have in common.
Kind = tuple[str, ...]


def find_kind(failure: TaskFailure) -> Kind:
    """Return the kind of a failure. Failures of one kind have the same reason and text, except for
    the input of the task, numbers, and quoted text.
    """
    text, named = explain_failure(failure), name_input(failure)
    pattern = _DETAIL.sub("…", text.replace(named, "…") if named else text)
    return failure.reason, failure.signal, failure.error_type, pattern


def name_input(failure: TaskFailure) -> str:
    """Return the input of the task in one line, as ``explain_failure`` has it in its text."""
    return " ".join(failure.summary.split())


def explain_failure(failure: TaskFailure) -> str:
    """Return what happened, in one line without the task."""
    message = " ".join(describe_error(failure).split())
    if failure.reason == ERROR:
        return message
    cause = f"{failure.reason} ({failure.signal})" if failure.signal else failure.reason
    return f"{cause}: {message}" if message else cause


def explain_rest(found: FailureGroups, failed: int) -> str:
    """Return for which of a job's failures there are groups, "" if for all of them."""
    parts: list[str] = []
    if found.looked_at < failed:
        parts.append(f"among the first {found.looked_at:,} of {count(failed, 'failure')}")
    if found.kinds_left_out:
        parts.append(f"the {len(found):,} most frequent of {count(found.kinds, 'kind')}")
    return ", ".join(parts)


def tell_first(group: FailureGroup) -> TaskFailure:
    """Return the failure of a group's first task, as far as it is known."""
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
