"""Checks of the arguments of pools, executors and their calls.

Messages are those of the standard library where it has some.
"""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

from headrace.submission import SubmitOptions
from headrace_wire.bounds import MAX_INTEGER, TimeLimit, check_value


def check_count(count: object, too_small: str) -> int | None:
    """Read a whole number from 1 on. Raises TypeError, and ValueError with ``too_small``.

    Returns None for None and for a text, which others check.
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
    return min(number, MAX_INTEGER)


def read_max_tasks(count: object) -> int | None:
    """Read ``maxtasksperchild``. Raises ValueError, for other types too, as the library has it."""
    if count is None:
        return None
    if not isinstance(count, SupportsIndex) or not 0 < operator.index(count) <= MAX_INTEGER:
        raise ValueError("maxtasksperchild must be a positive int or None")
    return operator.index(count)


def read_max_tasks_per_child(count: object) -> int | None:
    """Read ``max_tasks_per_child``. Raises TypeError and ValueError."""
    if count is None:
        return None
    if not isinstance(count, SupportsIndex):
        raise TypeError("max_tasks_per_child must be an integer")
    if not 1 <= operator.index(count) <= MAX_INTEGER:
        raise ValueError("max_tasks_per_child must be >= 1")
    return operator.index(count)


def make_submit_options(
    *, name: Any, priority: Any, timeout_seconds: Any, retries: Any
) -> SubmitOptions:
    """Read the options that hold for each call. Raises TypeError and ValueError."""
    if timeout_seconds is not None:  # which is called so here
        timeout_seconds = check_value(TimeLimit, timeout_seconds, "task_timeout")
    return SubmitOptions(
        name=name, priority=priority, timeout_seconds=timeout_seconds, retries=retries
    )


def _read_whole(value: object, what: str) -> int:
    if not isinstance(value, SupportsIndex):
        words = what if " " in what else f"{what} must be an integer"
        raise TypeError(f"{words}: not {type(value).__name__}")
    return operator.index(value)
