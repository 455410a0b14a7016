"""How long a caller waits, and how often it tries: one limit for a call and everything below it.

    limit = Limit.after(timeout) ─► with limit.applied(): methods of an API ─► attempts ─► Proxy

A limit is a point in time, so that repeated attempts do not begin again. A caller without any time
still gets one attempt, for which the network has ``LOOK_SECONDS``.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Generator, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

T = TypeVar("T")

#: How many seconds beyond a limit are allowed for a pending answer, and for an attempt without
#: time.
LOOK_SECONDS = 1.0

#: First and longest pause between attempts, in seconds.
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0

_applied: ContextVar[float] = ContextVar("limit", default=math.inf)


class Limit(Struct, frozen=True):
    """The monotonic time until which a caller waits; infinity for no limit."""

    moment: float

    @staticmethod
    def after(timeout: float | None) -> Limit:
        """Return a limit this many seconds from now; None for no limit. A negative one is over.

        Raises TypeError and ValueError for an invalid number.
        """
        return Limit(math.inf if timeout is None else time.monotonic() + check_timeout(timeout))

    @property
    def is_over(self) -> bool:
        """Whether its time has passed."""
        return self.moment <= time.monotonic()

    def measure_left(self, most: float = math.inf) -> float:
        """Return how many seconds are left, at most ``most``."""
        return min(max(0.0, self.moment - time.monotonic()), most)

    @contextlib.contextmanager
    def applied(self) -> Generator[None]:
        """Let the calls of this thread end by it, however long they would wait."""
        before = _applied.set(min(self.moment, _applied.get()))
        try:
            yield
        finally:
            _applied.reset(before)


#: The limit of a caller that waits without limit.
FOR_EVER = Limit(math.inf)


def find_limit() -> Limit | None:
    """Return the limit of the caller, if it has one."""
    moment = _applied.get()
    return None if moment == math.inf else Limit(moment)


def check_timeout(timeout: Any) -> float:
    """Check a caller's number of seconds. Raises TypeError for other types, ValueError for NaN."""
    if isinstance(timeout, str | bytes) or not hasattr(timeout, "__float__"):
        raise TypeError(
            f"a timeout is a number of seconds or None, not {type(timeout).__name__} {timeout!r}"
        )
    try:
        seconds = float(timeout)
    except OverflowError:
        seconds = math.inf if timeout > 0 else -math.inf
    if math.isnan(seconds):
        raise ValueError("a timeout is a number of seconds or None, not NaN")
    return seconds


def shorten_waits(arguments: tuple[T, ...], limit: Limit) -> tuple[T, ...]:
    """Return the arguments of a call, whose long-polls end by the limit, however often it is
    repeated.
    """

    def shorten(argument: Any) -> Any:
        if not hasattr(argument, "wait_seconds"):
            return argument
        return replace(argument, wait_seconds=limit.measure_left(argument.wait_seconds))

    return tuple([shorten(one) for one in arguments])


class Attempts:
    """The attempts at one call, for ``patience_seconds`` or until the caller's limit.

    ``until`` is the monotonic time at which an attempt ends, None if the caller has no limit.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._limit = limit = find_limit()
        self.until = None if limit is None else max(limit.moment, time.monotonic()) + LOOK_SECONDS
        self._pauses = draw_pauses(patience_seconds)
        self._is_repeated = False

    def shorten(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments of the call, whose long-polls end by the limit."""
        return arguments if self._limit is None else shorten_waits(arguments, self._limit)

    def find_pause(self) -> float | None:
        """Return how many seconds to wait after a failed attempt; None if it was the last."""
        pause = next(self._pauses, None)
        if pause is None or self._limit is None:
            return pause
        # The connection that was lost first may be one from before a restart.
        if self._limit.is_over and self._is_repeated:
            return None
        self._is_repeated = True
        return self._limit.measure_left(pause)


def draw_pauses(patience_seconds: float) -> Iterator[float]:
    """Yield pauses with backoff and jitter, for this long from the first one."""
    deadline = time.monotonic() + patience_seconds
    pause = FIRST_PAUSE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        yield min(pause * jitter, left)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
