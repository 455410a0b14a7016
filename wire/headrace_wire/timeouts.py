"""How long a caller waits, and how often it tries: one limit for a call and everything below it.

    limit = Limit.after(timeout) ─► with limit.applied(): methods of an API ─► attempts ─► Proxy

A limit is a moment, so that nothing which is tried again begins anew. Whoever has no time at all
still gets one look, for which the network has ``LOOK_SECONDS``.
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

#: Seconds beyond a limit for the answer that is under way, and for a look that may not wait.
LOOK_SECONDS = 1.0

#: First and longest pause between attempts, in seconds.
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0

_applied: ContextVar[float] = ContextVar("limit", default=math.inf)


class Limit(Struct, frozen=True):
    """A monotonic moment until which a caller waits; infinity for one who waits for ever."""

    moment: float

    @staticmethod
    def after(timeout: float | None) -> Limit:
        """A limit so many seconds from now; None for none. One that is negative is over.

        Raises TypeError and ValueError for what is no number.
        """
        return Limit(math.inf if timeout is None else time.monotonic() + check_timeout(timeout))

    @property
    def is_over(self) -> bool:
        """Whether its time has come."""
        return self.moment <= time.monotonic()

    def measure_left(self, most: float = math.inf) -> float:
        """Seconds that are left, ``most`` at most."""
        return min(max(0.0, self.moment - time.monotonic()), most)

    @contextlib.contextmanager
    def applied(self) -> Generator[None]:
        """Have the calls of this thread end by it, whatever they would wait for."""
        before = _applied.set(min(self.moment, _applied.get()))
        try:
            yield
        finally:
            _applied.reset(before)


#: The limit of who waits for ever.
FOR_EVER = Limit(math.inf)


def find_limit() -> Limit | None:
    """The limit of the caller, if it has one."""
    moment = _applied.get()
    return None if moment == math.inf else Limit(moment)


def check_timeout(timeout: Any) -> float:
    """A caller's number of seconds. Raises TypeError for another thing, ValueError for NaN."""
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
    """Arguments of a call, whose long-polls end by the limit; however often it is repeated."""

    def shorten(argument: Any) -> Any:
        if not hasattr(argument, "wait_seconds"):
            return argument
        return replace(argument, wait_seconds=limit.measure_left(argument.wait_seconds))

    return tuple([shorten(one) for one in arguments])


class Attempts:
    """The attempts at one call, for ``patience_seconds`` or until the caller's limit.

    ``until`` is the monotonic moment at which an attempt ends, None where the caller has no limit.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._limit = limit = find_limit()
        self.until = None if limit is None else max(limit.moment, time.monotonic()) + LOOK_SECONDS
        self._pauses = draw_pauses(patience_seconds)
        self._is_repeated = False

    def shorten(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of the call, whose long-polls end by the limit."""
        return arguments if self._limit is None else shorten_waits(arguments, self._limit)

    def find_pause(self) -> float | None:
        """Seconds from an attempt that failed to the next one; None if it was the last."""
        pause = next(self._pauses, None)
        if pause is None or self._limit is None:
            return pause
        # What was lost at first may be a connection from before a restart.
        if self._limit.is_over and self._is_repeated:
            return None
        self._is_repeated = True
        return self._limit.measure_left(pause)


def draw_pauses(patience_seconds: float) -> Iterator[float]:
    """Pauses with backoff and jitter, for so long from when the first one is asked for."""
    deadline = time.monotonic() + patience_seconds
    pause = FIRST_PAUSE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        yield min(pause * jitter, left)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
