"""The process of a coordinator, from its start to the signal that ends it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.keyring import name_role_file
from headrace_wire.open_files import raise_limit, require_files
from headrace_wire.roles import OBSERVER
from headrace_wire.system.event_loop import handle_stop_signals, run
from headrace_wire.system.heap import keep_large_blocks

log = logging.getLogger(__name__)

#: A coordinator that may open fewer files cannot open its store and serve.
LEAST_FILES = 32


def serve(settings: CoordinatorSettings, on_ready: Callable[[Coordinator], None]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP. ``on_ready`` is called when connections are accepted.

    Raises UsageError and StoreError if it cannot serve with these settings.
    """
    keep_large_blocks()
    os.umask(0o077)  # only this user may read the data folder
    raise_limit()
    require_files(LEAST_FILES, "a coordinator")
    run(_serve(settings, on_ready))


async def _serve(settings: CoordinatorSettings, on_ready: Callable[[Coordinator], None]) -> None:
    stopping = asyncio.Event()
    # A signal that arrives during the start takes effect after it.
    with handle_stop_signals(lambda _: stopping.set()):
        await _serve_until(stopping, settings, on_ready)


async def _serve_until(
    stopping: asyncio.Event,
    settings: CoordinatorSettings,
    on_ready: Callable[[Coordinator], None],
) -> None:
    async with Coordinator(settings) as coordinator:
        log.info("queues at %s", coordinator.bound)
        if coordinator.page:
            log.info("metrics at %s/metrics", coordinator.page)
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
