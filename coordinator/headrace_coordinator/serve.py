"""A coordinator process, from its start to the signal that ends it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.heap import keep_large_blocks

log = logging.getLogger(__name__)

#: Signals that end a coordinator in good order.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: CoordinatorSettings, on_ready: Callable[[Coordinator], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``on_ready`` is told when connections are accepted.

    Raises UsageError and StoreError when it cannot serve with these settings.
    """
    keep_large_blocks()
    # Blocked in every thread and waited for here: a handler of Python's would run only when the
    # main thread next does, which a signal that comes just before it goes to sleep never brings on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        with Coordinator(settings) as coordinator:
            log.info("queues at %s", coordinator.bound)
            if coordinator.http_bound:
                log.info("metrics at http://%s/metrics", coordinator.http_bound)
            log.info("data in %s, key in %s", settings.data, settings.key_file)
            on_ready(coordinator)
            signal.sigwait(STOP_SIGNALS)
            log.info("stopping")
    finally:
        while signal.sigtimedwait(STOP_SIGNALS, 0):
            pass  # asked more than once
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
