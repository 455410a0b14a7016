"""The signals that tell a worker to go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from headrace_wire.event_loop import stop_signals_heeded

if TYPE_CHECKING:
    import signal

log = logging.getLogger(__name__)


class StopSignals:
    """Counts the signals that tell the worker to go; ``on_request`` is called after each."""

    def __init__(self, on_request: Callable[[], None]) -> None:
        self._on_request = on_request
        self.requests = 0

    def heeded(self) -> AbstractContextManager[None]:
        """Have the running event loop handle the signals; then they mean what they did before."""
        return stop_signals_heeded(self._note)

    def _note(self, number: signal.Signals) -> None:
        self.requests += 1
        how = "finishing what runs" if self.requests == 1 else "at once"
        log.info("%s: %s", number.name, how)
        self._on_request()
