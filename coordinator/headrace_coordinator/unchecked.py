"""Payloads without a checksum: what is new, and gone again before long, as most of it is.

To compute one takes longer than to write the payload. It is for the day after a power cut alone, so
only what stays for a while is given one, by the checkpointer; see ``headrace_coordinator.store``.
"""

from __future__ import annotations

from itertools import islice, takewhile

from headrace_coordinator.payload_file import Payload
from headrace_coordinator.schema import Row

#: Seconds for which a payload has to stay.
SETTLED_SECONDS = 1.0


class Unchecked:
    """Rows whose payload has no checksum, the oldest first."""

    def __init__(self) -> None:
        self._rows: dict[Row, tuple[float, Payload]] = {}

    def __contains__(self, row: Row) -> bool:
        return row in self._rows

    def add(self, row: Row, payload: Payload, now_seconds: float) -> None:
        """Note a row that was committed now, or found at the start."""
        self._rows[row] = now_seconds, payload

    def drop(self, row: Row) -> None:
        """Forget a row: it is gone, or has its checksum."""
        self._rows.pop(row, None)

    def clear(self) -> None:
        self._rows.clear()

    def find_settled(self, now_seconds: float, most: int) -> list[tuple[Row, Payload]]:
        """The oldest rows, of those that have been here for a while."""
        settled = takewhile(
            lambda item: now_seconds - item[1][0] >= SETTLED_SECONDS, self._rows.items()
        )
        return [(row, payload) for row, (_, payload) in islice(settled, most)]
