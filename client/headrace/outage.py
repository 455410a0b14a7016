"""Reports that a coordinator is not reachable while calls to it are repeated."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from headrace_wire.errors import UnreachableError
from headrace_wire.words import format_seconds

log = logging.getLogger(__name__)


def warn(line: str) -> None:
    """Log a line for a program that has no callback for it."""
    log.warning("headrace: %s", line)


class OutageNotice:
    """Passes two lines to ``tell`` for each outage, not for each failed attempt: that the program
    tries to reconnect, and for how long; and at its end that the coordinator answers again.

    Another line is passed if a server that answers meanwhile refuses the key. A notice is called
    with the error of each attempt that will be repeated, and its ``end`` when there is a new
    connection. Both may be called by any thread.
    """

    def __init__(self, patience_seconds: float, tell: Callable[[str], object] = warn) -> None:
        self._patience_seconds = patience_seconds
        self._tell = tell
        #: When an attempt last failed (monotonic).
        self._lost_at = -math.inf
        #: The calls that said that nobody answers (False), or that the key is refused.
        self._reported: dict[bool, object] = {}

    def __call__(self, error: UnreachableError) -> None:
        """Note an attempt that failed and will be repeated."""
        if error.connected_at is not None and error.connected_at < self._lost_at:
            return  # it was lost together with the others, and this was noticed later
        self._lost_at = time.monotonic()
        this_call = object()
        if self._reported.setdefault(error.refusal is not None, this_call) is this_call:
            self._tell(f"{error}; trying to reconnect{self._describe_patience()}")

    def end(self) -> None:
        """Note that the coordinator has accepted a connection."""
        # Each of these is one operation of the interpreter: only one thread tells of the end.
        ended = [self._reported.pop(is_refusal, None) for is_refusal in (False, True)]
        if any(ended):
            self._tell("the coordinator answers again")

    def _describe_patience(self) -> str:
        seconds = self._patience_seconds
        return "" if math.isinf(seconds) else f" for {format_seconds(seconds)}"


def find_end(on_lost: Callable[[UnreachableError], None] | None) -> Callable[[], None] | None:
    """Return what to call with each new connection, if ``on_lost`` is a notice."""
    return on_lost.end if isinstance(on_lost, OutageNotice) else None
