"""Summarizes failures that happen at the same time: a few are reported, and the others counted."""

from __future__ import annotations

from headrace_coordinator.failure_kinds import Groups
from headrace_wire.alike import explain_failure, tell_first
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.words import count

#: How many tasks of one job are reported individually if many fail at the same time.
MOST_AT_ONCE = 5

#: How many of the others are grouped, to find out what most of them have in common.
MOST_GROUPED = 200


class FailureBurst:
    """The tasks of one job that failed for good at the same time."""

    def __init__(self) -> None:
        self._count = 0
        self._groups = Groups()

    def add(self, failure: TaskFailure) -> bool:
        """Count a failure. Returns whether it is to be reported individually."""
        self._count += 1
        if self._count <= MOST_AT_ONCE:
            return True
        if self._count - MOST_AT_ONCE <= MOST_GROUPED:
            self._groups.add([failure])
        return False

    def sum_up(self) -> str:
        """Return a line about the others: how many there are, and the most common failure. "" if
        there are none.
        """
        others = self._count - MOST_AT_ONCE
        if others <= 0:
            return ""
        shown = self._groups.show().groups
        is_alike = shown[0].count == others
        how = "like" if is_alike else "most often like"
        more = count(others, "more task has", "more tasks have")
        failure = tell_first(shown[0])
        return f"{more} failed for good, {how} task {failure.index}: {explain_failure(failure)}"
