"""What pools and executors are told when they are made, and with their calls: checked at once.

The words are those of the standard library where it has some.
"""

from __future__ import annotations

import math
import operator
from typing import SupportsFloat, SupportsIndex

from headrace.submission import SubmitOptions

#: The largest whole number that a message carries.
LARGEST = (1 << 63) - 1

#: More retries than this are a typing error.
MOST_RETRIES = 1_000_000_000


def check_count(count: object, too_small: str) -> int | None:
    """Read a whole number from 1 on. Raises TypeError, and ValueError with ``too_small``.

    What is None or a text is left to others, and gives None.
    """
    if count is None or isinstance(count, str):
        return None
    number = _read_whole(count, too_small)
    if number < 1:
        raise ValueError(too_small)
    return number


def read_chunksize(chunksize: object) -> int | None:
    """Read ``chunksize``. Raises TypeError and ValueError."""
    if chunksize is None:
        return None
    number = _read_whole(chunksize, "chunksize")
    if number < 1:
        raise ValueError(f"Chunksize must be 1+, not {number}")
    return min(number, LARGEST)


def read_max_tasks(count: object) -> int | None:
    """Read ``maxtasksperchild``. Raises ValueError, for other types too, as the library has it."""
    if count is None:
        return None
    if not isinstance(count, SupportsIndex) or not 0 < operator.index(count) <= LARGEST:
        raise ValueError("maxtasksperchild must be a positive int or None")
    return operator.index(count)


def read_max_tasks_per_child(count: object) -> int | None:
    """Read ``max_tasks_per_child``. Raises TypeError and ValueError."""
    if count is None:
        return None
    if not isinstance(count, SupportsIndex):
        raise TypeError("max_tasks_per_child must be an integer")
    if not 1 <= operator.index(count) <= LARGEST:
        raise ValueError("max_tasks_per_child must be >= 1")
    return operator.index(count)


def make_submit_options(
    *, name: object, priority: object, timeout_seconds: object, retries: object
) -> SubmitOptions:
    """Read what each call is told. Raises TypeError and ValueError."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a text, not {type(name).__name__}")
    return SubmitOptions(
        name=name,
        priority=_read_bounded("priority", priority, -LARGEST, LARGEST),
        timeout_seconds=None if timeout_seconds is None else _read_timeout(timeout_seconds),
        retries=None if retries is None else _read_bounded("retries", retries, 0, MOST_RETRIES),
    )


def _read_timeout(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, SupportsFloat | SupportsIndex):
        raise TypeError(f"task_timeout must be a number of seconds, not {type(seconds).__name__}")
    try:
        number = float(seconds)
    except OverflowError:
        number = math.inf
    if not (0 < number <= LARGEST and math.isfinite(number)):
        raise ValueError(f"task_timeout must be a positive number of seconds, not {seconds!r}")
    return number


def _read_bounded(what: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{what} must be an integer, not bool")
    number = _read_whole(value, what)
    if not least <= number <= most:
        raise ValueError(f"{what} must be from {least} to {most}, not {number}")
    return number


def _read_whole(value: object, what: str) -> int:
    if not isinstance(value, SupportsIndex):
        words = what if " " in what else f"{what} must be an integer"
        raise TypeError(f"{words}: not {type(value).__name__}")
    return operator.index(value)
