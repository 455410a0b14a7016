"""A coordinator process, from its start to the signal that ends it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.heap import keep_large_blocks

log = logging.getLogger(__name__)

#: Signals that end a coordinator in good order. SIGHUP comes when its terminal is closed, unless
#: ``nohup`` has it ignored.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(settings: CoordinatorSettings, on_ready: Callable[[Coordinator], None]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP. ``on_ready`` is told when connections are accepted.

    Raises UsageError and StoreError when it cannot serve with these settings.
    """
    keep_large_blocks()
    # Blocked in every thread and waited for here: a handler of Python's would run only when the
    # main thread next does, which a signal that comes just before it goes to sleep never brings on.
    # A blocked signal is delivered to ``sigwait`` even where it is ignored.
    waited = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    try:
        with Coordinator(settings) as coordinator:
            log.info("queues at %s", coordinator.bound)
            if coordinator.http_bound:
                log.info("metrics at http://%s/metrics", coordinator.http_bound)
            log.info("data in %s, key in %s", settings.data, settings.key_file)
            on_ready(coordinator)
            signal.sigwait(waited)
            log.info("stopping")
    finally:
        while signal.sigtimedwait(waited, 0):
            pass  # asked more than once
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
