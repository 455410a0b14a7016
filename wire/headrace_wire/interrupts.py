"""Waiting so that a signal ends the wait, on every system.

On Windows Ctrl-C does not wake a thread that waits for a lock, a socket or a process: Python heeds
it when the wait is over. There the main thread, which alone heeds signals, looks up now and then.
Elsewhere, and in other threads, a wait is one call.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

from headrace_wire.portable import PORTABLE

T = TypeVar("T")

#: Seconds after which the main thread looks up from a wait; None where a signal wakes it.
HEED_SECONDS: float | None = 0.2 if sys.platform == "win32" or PORTABLE else None

#: Seconds that a part of a wait has at least: a socket that is given 0 does not wait at all.
SHORTEST_SECONDS = 0.001


def divide(seconds: float | None) -> Iterator[float | None]:
    """How long to wait at a time, one after the other, until so many seconds are over.

    None is as long as it takes.
    """
    if HEED_SECONDS is None or threading.current_thread() is not threading.main_thread():
        yield seconds
        return
    until = None if seconds is None else time.monotonic() + seconds
    left = HEED_SECONDS
    while True:
        if until is not None:
            left = min(HEED_SECONDS, until - time.monotonic())
        yield max(left, SHORTEST_SECONDS)
        if until is not None and time.monotonic() >= until:
            return


def acquire(lock: threading.Lock, seconds: float | None = None) -> bool:
    """Take a lock, within so many seconds; None: as long as it takes. Returns whether it did."""
    if HEED_SECONDS is None:
        return lock.acquire(timeout=-1 if seconds is None else seconds)
    return any(lock.acquire(timeout=-1 if part is None else part) for part in divide(seconds))


def take(bell: SimpleQueue[T]) -> T:
    """Take one item out of a queue, as soon as there is one."""
    if HEED_SECONDS is None:
        return bell.get()
    while True:
        for part in divide(None):
            try:
                return bell.get(timeout=part)
            except Empty:
                continue
