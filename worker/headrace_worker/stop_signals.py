"""The signals that tell a worker to go."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

log = logging.getLogger(__name__)

#: Signals that drain the worker; SIGHUP unless it was started to ignore it, as nohup does.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Counts the signals that tell the worker to go; ``on_request`` is called after each."""

    def __init__(self, on_request: Callable[[], None]) -> None:
        self._on_request = on_request
        self.requests = 0

    @contextmanager
    def heeded(self) -> Generator[None]:
        """Have the running event loop handle the signals; then they mean what they did before."""
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        if before[signal.SIGHUP] == signal.SIG_IGN:
            del before[signal.SIGHUP]
        for number in before:
            loop.add_signal_handler(number, self._note, number)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def _note(self, number: signal.Signals) -> None:
        self.requests += 1
        how = "finishing what runs" if self.requests == 1 else "at once"
        log.info("%s: %s", number.name, how)
        self._on_request()
