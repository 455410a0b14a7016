"""Checks of the arguments of pools, executors and their calls.

The messages are those of the standard library if it has some.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex

from headrace.connecting import read_address
from headrace.submission import SubmitOptions
from headrace_wire.address import Address
from headrace_wire.bounds import MAX_INTEGER, TimeLimit, check_value


def read_place(place: object, name: str, too_small: str) -> int | Address | None:
    """Read how many processes to start here, or the address of a cluster; None for neither.

    Raises TypeError, also for a number as text, ValueError with ``too_small``, and UsageError for
    an invalid address.
    """
    if place is None:
        return None
    if isinstance(place, str | tuple):
        _refuse_number(place, name)  # pyright: ignore[reportUnknownArgumentType] - any contents
        return read_address(place)  # pyright: ignore[reportUnknownArgumentType] - any contents
    return read_count(place, name, too_small)


def _refuse_number(place: object, name: str) -> None:
    """Raise TypeError for a number as text, which names neither processes nor a host."""
    if isinstance(place, str) and place.strip().isdecimal():
        raise TypeError(
            f"{name} must be an integer, such as {int(place)}, or the address of a cluster, such "
            f"as 'host:7333', not the text {place!r}"
        )


def read_count(count: object, name: str, too_small: str) -> int:
    """Read a whole number from 1 on. Raises TypeError, and ValueError with ``too_small``."""
    if not isinstance(count, SupportsIndex):
        raise TypeError(f"{name} must be an integer, not {type(count).__name__}")
    number = operator.index(count)
    if number < 1:
        raise ValueError(too_small)
    return number


def read_chunksize(chunksize: object) -> int | None:
    """Read ``chunksize``. Raises TypeError and ValueError."""
    if chunksize is None:
        return None
    number = read_count(chunksize, "chunksize", f"Chunksize must be 1+, not {chunksize!r:.40}")
    return min(number, MAX_INTEGER)


def read_initargs(initargs: object) -> tuple[Any, ...]:
    """Read the arguments of an initializer. Raises TypeError."""
    if not isinstance(initargs, Iterable):
        raise TypeError(f"initargs must be a tuple of arguments, not {type(initargs).__name__}")
    return tuple(initargs)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any contents


def read_max_tasks(count: object) -> int | None:
    """Read ``maxtasksperchild``. Raises ValueError, even for other types, like the library."""
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
    """Read the options that apply to each call. Raises TypeError and ValueError."""
    if timeout_seconds is not None:  # this is its name in pools
        timeout_seconds = check_value(TimeLimit, timeout_seconds, "task_timeout")
    return SubmitOptions(
        name=name, priority=priority, timeout_seconds=timeout_seconds, retries=retries
    )
