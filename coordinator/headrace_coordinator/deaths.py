"""Failures that come at the same time, for those who watch: a few one by one, the others as one."""

from __future__ import annotations

from headrace_coordinator.failure_kinds import Groups
from headrace_wire.alike import explain_failure, tell_first
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.words import count

#: Tasks of one job that are told one by one when many fail at the same time.
MOST_DEATHS_AT_ONCE = 5

#: So many of the others are grouped, to find out what most of them have in common.
MOST_GROUPED = 200


class Deaths:
    """The tasks of one job that failed for good at the same time."""

    def __init__(self) -> None:
        self._count = 0
        self._groups = Groups()

    def add(self, failure: TaskFailure) -> bool:
        """Count one. Returns whether it is to be told by itself."""
        self._count += 1
        if self._count <= MOST_DEATHS_AT_ONCE:
            return True
        if self._count - MOST_DEATHS_AT_ONCE <= MOST_GROUPED:
            self._groups.add([failure])
        return False

    def sum_up(self) -> str:
        """What is to be told of the others, "" if there are none: how many, and what most met."""
        others = self._count - MOST_DEATHS_AT_ONCE
        if others <= 0:
            return ""
        shown = self._groups.show().groups
        is_alike = shown[0].count == others
        how = "like" if is_alike else "most often like"
        more = count(others, "more task has", "more tasks have")
        failure = tell_first(shown[0])
        return f"{more} failed for good, {how} task {failure.index}: {explain_failure(failure)}"
