"""A coordinator process, from its start to the signal that ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.descriptors import raise_limit
from headrace_wire.event_loop import run
from headrace_wire.heap import keep_large_blocks
from headrace_wire.keyring import name_role_file
from headrace_wire.roles import OBSERVER

log = logging.getLogger(__name__)

#: Signals that end a coordinator in good order. SIGHUP comes when its terminal is closed, unless
#: ``nohup`` has it ignored.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(settings: CoordinatorSettings, on_ready: Callable[[Coordinator], None]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP. ``on_ready`` is told when connections are accepted.

    Raises UsageError and StoreError when it cannot serve with these settings.
    """
    keep_large_blocks()
    os.umask(0o077)  # what lies in the data folder is nobody else's business
    raise_limit()
    run(_serve(settings, on_ready))


async def _serve(settings: CoordinatorSettings, on_ready: Callable[[Coordinator], None]) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    # From here on, so that a signal during the start is heeded once it is over.
    for number in STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stopping.set)
    async with Coordinator(settings) as coordinator:
        log.info("queues at %s", coordinator.bound)
        if coordinator.http_bound:
            log.info("metrics at http://%s/metrics", coordinator.http_bound)
            _tell_who_may_look(settings, coordinator)
        log.info("data in %s, key in %s", settings.data, settings.key_file)
        on_ready(coordinator)
        await stopping.wait()
        log.info("stopping")


def _tell_who_may_look(settings: CoordinatorSettings, coordinator: Coordinator) -> None:
    if coordinator.wants_token:
        file = name_role_file(settings.key_file, OBSERVER)
        log.info("they want a token, `Authorization: Bearer`, with the text of %s", file)
    elif settings.http_open:
        log.warning(
            "they are open: whoever can connect reads how much work there is, and the names of "
            "workers, services and operations"
        )
