"""Removals: rows that are no longer needed, which are removed from the store many at a time.

A done task needs no inputs, and a task whose value was delivered needs no value. It does not matter
when their rows are removed, not even after a crash: the next start removes the inputs of done
tasks, and a client that has a value does not request it again. So removals slow down only one of
many commits.
"""

from __future__ import annotations

from headrace_coordinator.queue.events import InputsDropped, SpansDelivered
from headrace_coordinator.store.schema import Row

#: The maximum number of rows that wait, and of bytes in them.
MOST_ROWS = 256
MOST_BYTES = 8 << 20

#: How many seconds rows may wait.
LONGEST_SECONDS = 1.0


class Removals:
    """What is to be removed by the next commit that is due for this."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again, after the removal or after the store was read again."""
        self.rows: list[Row] = []
        #: By job, all its tasks whose values are no longer kept.
        self.dropped: dict[str, tuple[tuple[int, int], ...]] = {}
        self._bytes = 0
        self._since: float | None = None

    def add(self, event: InputsDropped | SpansDelivered, now_seconds: float) -> None:
        """Add rows that are no longer needed."""
        if isinstance(event, InputsDropped):
            self.rows.append(("inputs", event.job, event.start))
        else:
            self.rows += (("results", event.job, start) for start in event.starts)
            self.dropped[event.job] = event.dropped
        self._bytes += event.size_bytes
        if self._since is None:
            self._since = now_seconds

    def are_due(self, now_seconds: float) -> bool:
        """Return whether a commit is to remove them."""
        return self._since is not None and (
            len(self.rows) >= MOST_ROWS
            or self._bytes >= MOST_BYTES
            or now_seconds - self._since >= LONGEST_SECONDS
        )
