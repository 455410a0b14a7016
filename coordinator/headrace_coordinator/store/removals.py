"""Removals: rows that nobody asks for any more, taken out of the store many at a time.

A task that is done needs no inputs, and one whose value was delivered no value. When their rows go
makes no difference to anybody, not even after a crash: the next start takes out the inputs of tasks
that are done, and a client that has a value does not ask for it again. So they burden only one of
many commits that calls wait for.
"""

from __future__ import annotations

from collections.abc import Iterator

from headrace_coordinator.queue.events import InputsDropped, RunsDelivered
from headrace_coordinator.store.schema import Row

#: Rows, and bytes of what is in them, that wait at most.
MOST_ROWS = 256
MOST_BYTES = 8 << 20

#: Seconds for which they wait at most.
LONGEST_SECONDS = 1.0


class Removals:
    """What is to go with the next commit that takes it along."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._dropped: dict[str, tuple[tuple[int, int], ...]] = {}
        self._bytes = 0
        self._since: float | None = None

    def add(self, event: InputsDropped | RunsDelivered, now_seconds: float) -> None:
        """Note what nobody asks for any more."""
        if isinstance(event, InputsDropped):
            self._rows.append(("inputs", event.job, event.start))
        else:
            self._rows += (("results", event.job, start) for start in event.starts)
            self._dropped[event.job] = event.dropped
        self._bytes += event.size_bytes
        if self._since is None:
            self._since = now_seconds

    def are_due(self, now_seconds: float) -> bool:
        """Tell whether a commit is to take them along."""
        return self._since is not None and (
            len(self._rows) >= MOST_ROWS
            or self._bytes >= MOST_BYTES
            or now_seconds - self._since >= LONGEST_SECONDS
        )

    def clear(self) -> None:
        """They are gone, with the commit."""
        self._rows.clear()
        self._dropped.clear()
        self._bytes = 0
        self._since = None

    def rows(self) -> Iterator[Row]:
        return iter(self._rows)

    def dropped(self) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
        """By job, all its tasks whose values are kept no more."""
        return iter(self._dropped.items())
