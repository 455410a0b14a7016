"""Reports failures that are alike in one line instead of a thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from headrace_wire.alike import Kind, explain_failure, find_kind, name_input
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import FailureGroup
from headrace_wire.words import count

#: The maximum number of lines about failures. The rest is only counted.
LINES_SHOWN = 20

#: Up to this many failures that are alike are listed individually.
FEW = 3

#: How many failures of a job are read, because each comes with its traceback.
MOST_READ = 10_000


class Alike:
    """Failures of one kind. Only the first ones are kept."""

    def __init__(self, few: int) -> None:
        self._few = few
        self._texts: set[str] = set()
        self.count = 0
        self.first: list[TaskFailure] = []

    def add(self, failure: TaskFailure, text: str) -> None:
        """Count one more failure."""
        self.count += 1
        if len(self.first) < self._few:
            self.first.append(failure)
        if len(self._texts) < 2:
            self._texts.add(text)

    @property
    def are_few(self) -> bool:
        """Whether each failure has a line of its own."""
        return self.count <= self._few

    def describe(self, command: str) -> str:
        """Return one line for all of them. ``command`` shows them all, or is "" if nothing does."""
        first = self.first[0]
        alike = "alike" if len(self._texts) == 1 else "alike, such as"
        example = f"first: task {first.index}"
        if (named := name_input(first)) and named not in explain_failure(first):
            example += f", {named}"
        where = f"; all: `{command}`" if command else ""
        return f"{self.count:,} tasks failed {alike}: {explain_failure(first)} ({example}{where})"


def group_failures(failures: Iterable[TaskFailure], few: int = FEW) -> list[Alike]:
    """Return the failures by kind, in the order of the first failure of each kind."""
    groups: dict[Kind, Alike] = {}
    for failure in failures:
        groups.setdefault(find_kind(failure), Alike(few)).add(failure, explain_failure(failure))
    return list(groups.values())


def describe_failures(
    failures: Iterable[TaskFailure],
    total: int,
    command: str,
    *,
    few: int = FEW,
    describe: Callable[[TaskFailure], str] | None = None,
) -> Iterator[str]:
    """Yield the lines about all ``total`` failures of a job, of which these are the first ones.

    ``command`` shows them all, or is "" if nothing does. ``describe`` makes the line of a single
    one.
    """
    lines = told = 0
    for group in group_failures(failures, few):
        if group.are_few:
            shown = group.first[: LINES_SHOWN - lines]
            yield from map(describe or describe_failure, shown)
            lines += len(shown)
            told += len(shown)
        elif lines < LINES_SHOWN:
            yield group.describe(command)
            lines += 1
            told += group.count
    if total > told:
        yield f"{total - told:,} more" + (f"; `{command}` shows them all" if command else "")


def describe_group(group: FailureGroup, first: int | None = None) -> str:
    """Return one line for grouped failures: all of a job's failures, or the ``first`` ones."""
    example = TaskFailure(
        0, "", group.first, 1, group.reason, group.signal, group.error_type, group.message,
        summary=group.summary,
    )  # fmt: skip
    told = f"task {group.first}: {describe_failure(example)}"
    if first is not None:
        alike = " are alike, such as" if group.count > 1 else ":"
        return f"{group.count:,} of the first {count(first, 'failure')}{alike} {told}"
    return told if group.count == 1 else f"{group.count:,} tasks failed alike, such as {told}"


def describe_failure(failure: TaskFailure) -> str:
    """Return one line that says what happened to which task."""
    message = explain_failure(failure)
    if (named := name_input(failure)) and named not in message:
        message = f"{named}: {message}"
    return f"{message} (attempt {failure.attempt})" if failure.attempt > 1 else message
