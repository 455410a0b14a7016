"""Removals: rows that nobody asks for any more, removed from the store many at a time.

A task that is done needs no inputs, and one whose value was delivered needs no value. It makes no
difference when their rows go, not even after a crash: the next start removes the inputs of tasks
that are done, and a client that has a value does not ask for it again. So they burden only one of
many commits that calls wait for.
"""

from __future__ import annotations

from headrace_coordinator.queue.events import InputsDropped, SpansDelivered
from headrace_coordinator.store.schema import Row

#: Rows that may wait, and bytes in them.
MOST_ROWS = 256
MOST_BYTES = 8 << 20

#: Seconds for which rows may wait.
LONGEST_SECONDS = 1.0


class Removals:
    """What is to be removed with the next commit that is due for it."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew: it was removed, or the store was read again."""
        self.rows: list[Row] = []
        #: By job, all its tasks whose values are no longer kept.
        self.dropped: dict[str, tuple[tuple[int, int], ...]] = {}
        self._bytes = 0
        self._since: float | None = None

    def add(self, event: InputsDropped | SpansDelivered, now_seconds: float) -> None:
        """Note what nobody asks for any more."""
        if isinstance(event, InputsDropped):
            self.rows.append(("inputs", event.job, event.start))
        else:
            self.rows += (("results", event.job, start) for start in event.starts)
            self.dropped[event.job] = event.dropped
        self._bytes += event.size_bytes
        if self._since is None:
            self._since = now_seconds

    def are_due(self, now_seconds: float) -> bool:
        """Tell whether a commit is to remove them."""
        return self._since is not None and (
            len(self.rows) >= MOST_ROWS
            or self._bytes >= MOST_BYTES
            or now_seconds - self._since >= LONGEST_SECONDS
        )
