"""A coordinator process, from its start to the signal that ends it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.heap import return_large_blocks

log = logging.getLogger(__name__)

#: Signals that end a coordinator in good order.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: CoordinatorSettings, on_ready: Callable[[Coordinator], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``on_ready`` is told when connections are accepted.

    Raises UsageError and StoreError when it cannot serve with these settings.
    """
    return_large_blocks()
    stop = threading.Event()

    def note_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    handlers = {number: signal.signal(number, note_signal) for number in STOP_SIGNALS}
    try:
        with Coordinator(settings) as coordinator:
            log.info("queues at %s", coordinator.bound)
            if coordinator.http_bound:
                log.info("metrics at http://%s/metrics", coordinator.http_bound)
            log.info("data in %s, key in %s", settings.data, settings.key_file)
            on_ready(coordinator)
            stop.wait()
            log.info("stopping")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
