"""Checks every second whether keys are still valid, and closes connections of those that are
not.
"""

from __future__ import annotations

import asyncio

from headrace_coordinator.serving.task_keys import TaskKeys
from headrace_wire.server import Server

#: Seconds between two checks.
LOOK_SECONDS = 1.0


class KeyWatch:
    """Checks keys in the event loop's thread, from ``start`` to ``stop``."""

    def __init__(self, keys: TaskKeys, server: Server) -> None:
        self._keys = keys
        self._server = server
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Check now, and regularly from now on."""
        self._server.end_others(self._keys.make_check())
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self.start)

    def stop(self) -> None:
        """Stop checking."""
        if self._timer:
            self._timer.cancel()
