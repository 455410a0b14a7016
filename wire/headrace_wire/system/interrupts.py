"""Waits that signals can interrupt on every system.

On Windows, Ctrl-C does not wake a thread that waits for a lock, a socket or a process: Python
handles it after the wait. So the main thread, which alone handles signals, interrupts its wait now
and then. On other systems, and in other threads, a wait is one call.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

from headrace_wire.system.portable import PORTABLE

T = TypeVar("T")

#: After how many seconds the main thread interrupts a wait; None if signals wake it.
HEED_SECONDS: float | None = 0.2 if sys.platform == "win32" or PORTABLE else None

#: The minimum number of seconds of a part of a wait: with 0, a socket would not wait at all.
SHORTEST_SECONDS = 0.001


def divide(seconds: float | None) -> Iterator[float | None]:
    """Yield how long to wait at a time, until this many seconds are over.

    None stands for no limit.
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
    """Acquire a lock, within this many seconds; None for no limit. Returns whether it was
    acquired.
    """
    if HEED_SECONDS is None:
        return lock.acquire(timeout=-1 if seconds is None else seconds)
    return any(lock.acquire(timeout=-1 if part is None else part) for part in divide(seconds))


def take(bell: SimpleQueue[T]) -> T:
    """Remove and return one item of a queue, as soon as there is one."""
    if HEED_SECONDS is None:
        return bell.get()
    while True:
        for part in divide(None):
            try:
                return bell.get(timeout=part)
            except Empty:
                continue
