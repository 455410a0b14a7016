"""A coordinator in this process, in an event loop of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from support.loop_thread import LoopThread


@contextlib.contextmanager
def run_coordinator(settings: CoordinatorSettings) -> Generator[Coordinator]:
    """Serve until the context is left. Raises UsageError and StoreError as a coordinator does."""
    coordinator = Coordinator(settings)
    with LoopThread() as thread:
        thread.answer(coordinator.__aenter__())
        try:
            yield coordinator
        finally:
            thread.answer(coordinator.__aexit__(None, None, None))
