"""Locks that an interrupt at any point does not leave taken."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType

import pytest

from headrace_wire.locks import SteadyLock, make_lock


class Interrupted(Exception):  # noqa: N818 - not an error
    pass


def interrupt_at(step: int) -> Callable[[FrameType, str, object], None]:
    """A profile function that raises at the so-manyeth place where a signal's handler may run."""
    left = step

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal left
        del frame, arg
        if event in {"call", "c_return"}:
            left -= 1
            if not left:
                raise Interrupted

    return profile


def use(lock: AbstractContextManager[object]) -> None:
    with lock:
        pass


@pytest.mark.parametrize("make", [SteadyLock, make_lock])
def test_an_interrupt_anywhere_leaves_the_lock_free(
    make: Callable[[], AbstractContextManager[object]],
) -> None:
    interrupted = 0
    for step in range(1, 10):
        lock = make()
        before = sys.getprofile()
        sys.setprofile(interrupt_at(step))
        try:
            use(lock)
        except Interrupted:
            interrupted += 1
        finally:
            sys.setprofile(before)
        assert is_free(lock), step
    assert 1 <= interrupted < 9, "each place was tried"


def is_free(lock: AbstractContextManager[object]) -> bool:
    if isinstance(lock, SteadyLock):
        return not lock._is_owned()  # type: ignore[attr-defined]
    locked: bool = lock.locked()  # type: ignore[attr-defined]
    return not locked
