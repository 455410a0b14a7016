"""A worker that is started together with the coordinator which makes the key for both.

A coordinator makes its key before it serves. So a worker that finds no key waits for as long as
nobody serves there; where somebody does, none will come.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from headrace_wire.connection import check_listening
from headrace_wire.errors import UnreachableError
from headrace_wire.event_loop import run
from headrace_wire.timeouts import draw_pauses
from headrace_worker.settings import WorkerSettings
from headrace_worker.stop_signals import StopSignals

log = logging.getLogger(__name__)

#: The longest pause between two looks, in seconds.
LONGEST_PAUSE_SECONDS = 1.0


def wait_for_key(settings: WorkerSettings) -> bool:
    """Wait for the key, or for a coordinator that serves without it being here: who reads it says
    that. Returns False if the worker was told to go before.

    Raises UnreachableError when ``give_up_seconds`` are over.
    """
    return settings.key_file.exists() or run(_look(settings))


async def _look(settings: WorkerSettings) -> bool:
    told = asyncio.Event()
    stop = StopSignals(told.set)
    seconds = settings.give_up_seconds
    pauses = draw_pauses(seconds)
    with stop.heeded():
        while not settings.key_file.exists():
            try:
                check_listening(settings.coordinator)  # on this machine it is answered at once
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
                    await told.wait()
                    return False
    return True
