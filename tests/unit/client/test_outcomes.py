"""Outcomes that are waited for, without anybody who makes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from headrace.outcomes import AsyncResult, OrderedIterator

#: Each waits for so many seconds.
WAITS: dict[str, Callable[[Any], object]] = {
    "get": lambda timeout: make_result(over=False).get(timeout),
    "get of what is over": lambda timeout: make_result(over=True).get(timeout),
    "wait": lambda timeout: make_result(over=False).wait(timeout),
    "next": lambda timeout: OrderedIterator[int](lambda _: None).next(timeout),
}


def make_result(*, over: bool) -> AsyncResult[int]:
    result = AsyncResult[int]()
    if over:
        result.settle((True, 1))
    return result


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize(("timeout", "error"), [(math.nan, ValueError), ("5", TypeError)])
def test_what_is_no_number_of_seconds_is_refused(
    wait: Callable[[Any], object], timeout: object, error: type[Exception]
) -> None:
    with pytest.raises(error, match="a timeout is a number of seconds or None"):
        wait(timeout)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 10**400, 0, -1, -math.inf])
def test_any_number_of_seconds_will_do(timeout: float) -> None:
    assert make_result(over=True).get(timeout) == 1
    iterator = OrderedIterator[int](lambda _: None)
    iterator.take(0, [(True, 1)])
    assert iterator.next(timeout) == 1
