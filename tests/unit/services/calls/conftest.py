"""Values of all kinds, a way to compare them to the last type, and ways to pack and unpack."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from headrace_services.calls.rebuilding import IMPORTED
from headrace_services.calls.values import pack_value, unpack_value


def is_alike(left: Any, right: Any) -> bool:
    """Equal, of the same types all the way down, in the same order where there is one."""
    if type(left) is not type(right):
        return False
    if isinstance(left, int | str | bytes):
        return bool(left == right)
    if isinstance(left, float):
        same_sign = math.copysign(1, left) == math.copysign(1, right)
        return left == right and same_sign if left == left else right != right  # noqa: PLR0124 - nan
    if isinstance(left, complex):
        return is_alike(left.real, right.real) and is_alike(left.imag, right.imag)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(is_alike, left, right))
    if isinstance(left, dict):
        return is_alike(list(left.items()), list(right.items()))
    if isinstance(left, set | frozenset):
        return len(left) == len(right) and all(
            any(is_alike(one, other) for other in right) for one in left
        )
    if isinstance(left, np.ndarray):
        return (
            left.dtype == right.dtype
            and left.shape == right.shape
            and left.tobytes() == right.tobytes()
            and bool(right.flags.writeable)
        )
    if isinstance(left, np.generic):
        return bool(left.dtype == right.dtype) and left.tobytes() == right.tobytes()
    if is_dataclass(left):
        names = [one.name for one in fields(left)]
        return all(is_alike(getattr(left, name), getattr(right, name)) for name in names)
    return repr(left) == repr(right)


@pytest.fixture(scope="session")
def alike() -> Callable[[Any, Any], bool]:
    return is_alike


@pytest.fixture(scope="session")
def travel() -> Callable[[Any], Any]:
    """Pack a value and unpack it where its classes are imported."""
    return lambda value: unpack_value(pack_value(value), IMPORTED)
