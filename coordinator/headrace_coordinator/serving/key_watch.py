"""Looks every second whether keys were made or taken back, and closes what a revoked one opened."""

from __future__ import annotations

import asyncio

from headrace_wire.live_keys import LiveKeys
from headrace_wire.server import Server

#: Seconds from one look to the next.
LOOK_SECONDS = 1.0


class KeyWatch:
    """Watches in the event loop's thread, from ``start`` to ``stop``."""

    def __init__(self, keys: LiveKeys, server: Server) -> None:
        self._keys = keys
        self._server = server
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look, and go on looking."""
        self._server.end_others(frozenset(self._keys.find().values()))
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self.start)

    def stop(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()
