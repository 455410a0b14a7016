"""The signals that tell a worker to stop, and the coordinator's order that means the same."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from headrace_wire.system.event_loop import handle_stop_signals

if TYPE_CHECKING:
    import signal

log = logging.getLogger(__name__)


class StopSignals:
    """Counts how often the worker was told to stop; ``on_request`` is called after each time."""

    def __init__(self, on_request: Callable[[], None]) -> None:
        self._on_request = on_request
        self.requests = 0

    def handle(self) -> AbstractContextManager[None]:
        """Handle the signals in the running event loop; the previous handlers are restored
        afterwards.
        """
        return handle_stop_signals(self._note)

    def request(self, why: str) -> None:
        """Stop the worker as after a first signal, unless it is stopping already."""
        if not self.requests:
            self._count(why)

    def _note(self, number: signal.Signals) -> None:
        self._count(number.name)

    def _count(self, why: str) -> None:
        self.requests += 1
        how = "finishing what runs" if self.requests == 1 else "at once"
        log.info("%s: %s", why, how)
        self._on_request()
