"""A worker that is started at the same time as the coordinator that makes the key for both.

A coordinator makes its key before it serves. So a worker that finds no key waits while nobody
serves at the address. If somebody does, the key will not appear.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from headrace_wire.connection import check_listening
from headrace_wire.errors import UnreachableError
from headrace_wire.system.event_loop import run
from headrace_wire.timeouts import draw_pauses
from headrace_worker.settings import WorkerSettings
from headrace_worker.stop_signals import StopSignals

log = logging.getLogger(__name__)

#: The longest pause between two checks, in seconds.
LONGEST_PAUSE_SECONDS = 1.0


def wait_for_key(settings: WorkerSettings) -> bool:
    """Wait for the key, or for a coordinator that serves although the key is not here, which is
    reported when the key is read. Returns False if the worker was told to stop before.

    Raises UnreachableError after ``give_up_seconds``.
    """
    return settings.key_file.exists() or run(_look(settings))


async def _look(settings: WorkerSettings) -> bool:
    stop_requested = asyncio.Event()
    stop = StopSignals(stop_requested.set)
    seconds = settings.give_up_seconds
    pauses = draw_pauses(seconds)
    with stop.handle():
        while not settings.key_file.exists():
            try:
                check_listening(settings.coordinator)  # on this machine the answer comes at once
                break
            except UnreachableError as error:
                pause = next(pauses, None)
                if pause is None:
                    raise
                if seconds:
                    log.warning(
                        "%s, and no key is at %s yet; trying for %g s",
                        error,
                        settings.key_file,
                        seconds,
                    )
                    seconds = 0.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause, LONGEST_PAUSE_SECONDS)):
                    await stop_requested.wait()
                    return False
    return True
