"""Reports that a coordinator is not reachable while calls to it are repeated."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from headrace_wire.errors import UnreachableError
from headrace_wire.words import format_seconds

log = logging.getLogger(__name__)

#: Seconds without a failed attempt after which the coordinator is considered to have been back.
FORGET_SECONDS = 60.0


def warn(line: str) -> None:
    """Log a line for a program that has no callback for it."""
    log.warning("headrace: %s", line)


class OutageNotice:
    """Passes one line to ``tell`` for each outage, not for each failed attempt: that the program
    tries to reconnect, and for how long.

    Another line is passed if a server that answers meanwhile refuses the key. ``note`` may be
    called by any thread.
    """

    def __init__(self, patience_seconds: float, tell: Callable[[str], object] = warn) -> None:
        self._patience_seconds = patience_seconds
        self._tell = tell
        self._failed_at = -math.inf
        #: The calls of ``note`` that said that nobody answers (False), or that the key is refused.
        self._reported: dict[bool, object] = {}

    def note(self, error: UnreachableError) -> None:
        """Note an attempt that failed and will be repeated."""
        before, self._failed_at = self._failed_at, time.monotonic()
        if self._failed_at - before > FORGET_SECONDS:
            self._reported.clear()
        this_call = object()
        if self._reported.setdefault(error.refusal is not None, this_call) is this_call:
            self._tell(f"{error}; trying to reconnect{self._describe_patience()}")

    def _describe_patience(self) -> str:
        seconds = self._patience_seconds
        return "" if math.isinf(seconds) else f" for {format_seconds(seconds)}"
