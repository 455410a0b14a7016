"""A client of a coordinator that has no room for it: it tries again for a while.

tries = Tries(until) ─► BusyError ─► tries.find_pause(error) ─► another try, or one clear line
"""

from __future__ import annotations

import time

from headrace_wire.address import Address
from headrace_wire.errors import BusyError
from headrace_wire.timeouts import draw_pauses

#: For how many seconds a client tries to connect to a coordinator that closes its connections.
BUSY_SECONDS = 5.0


class Tries:
    """The tries at one connection, no longer than to the monotonic time ``until``, if given."""

    def __init__(self, address: tuple[str, int], until: float | None = None) -> None:
        self._address = address
        self._begun = time.monotonic()
        left = BUSY_SECONDS if until is None else until - self._begun
        self._pauses = draw_pauses(min(left, BUSY_SECONDS))
        self._count = 0

    def find_pause(self, error: BusyError) -> float:
        """Return how many seconds to wait before the next try. Raises BusyError if there is
        none.
        """
        self._count += 1
        pause = next(self._pauses, None)
        if pause is not None:
            return pause
        seconds = time.monotonic() - self._begun
        raise BusyError(
            f"{error.message} ({self._count} tries at {Address(*self._address)} within "
            f"{seconds:.1f} s)"
        ) from None
