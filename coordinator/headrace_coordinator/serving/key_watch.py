"""Looks every second whether keys are still taken, and closes connections of those that are not."""

from __future__ import annotations

import asyncio

from headrace_coordinator.serving.task_keys import TaskKeys
from headrace_wire.server import Server

#: Seconds from one look to the next.
LOOK_SECONDS = 1.0


class KeyWatch:
    """Watches in the event loop's thread, from ``start`` to ``stop``."""

    def __init__(self, keys: TaskKeys, server: Server) -> None:
        self._keys = keys
        self._server = server
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look, and go on looking."""
        self._server.end_others(self._keys.make_check())
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self.start)

    def stop(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()
