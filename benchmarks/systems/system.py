"""What every system is to the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

#: Processes that run tasks, in every system.
SLOTS = 2

#: A function of ``benchmarks.tasks``.
Function = Callable[[Any], Any]


class System(Protocol):
    """A system with two worker processes, in the way its own documentation has people run it.

    Used by one thread, in the order start, calls, stop.
    """

    def versions(self) -> dict[str, str]:
        """What is measured: names and versions, its broker's included."""

    def start(self) -> None:
        """Start all its processes, broker included, and return when a call may be made.

        A call that is made then may still wait for workers to come up.
        """

    def list_roots(self) -> list[int]:
        """The processes it consists of beside this one; their children belong to it as well."""

    def call(self, function: Function, argument: Any) -> Any:
        """Hand in one task and wait for its result."""

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        """Hand in tasks one by one and give results as they come, in any order.

        Each result is in this process before it is given.
        """

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        """Do all tasks, by the quickest means the system has for many, results in order."""

    def stop(self) -> None:
        """End all its processes. Also called after a start that failed."""
