"""Outcomes that are waited for, without anybody who makes them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from headrace.outcomes import AsyncResult, MapResult, OrderedIterator

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


def test_no_callback_is_called_for_a_map_of_nothing() -> None:
    called: list[object] = []
    result: MapResult[int] = MapResult(called.append, called.append)
    result.begin(0)
    assert (result.get(0), result.successful(), called) == ([], True, [])


@pytest.mark.parametrize(
    "outcome",
    [AsyncResult[int](), MapResult[int](), OrderedIterator[int](lambda _: None)],
    ids=lambda outcome: type(outcome).__name__,
)
def test_an_outcome_cannot_be_pickled(outcome: object) -> None:
    with pytest.raises(NotImplementedError, match="cannot be passed between processes or pickled"):
        pickle.dumps(outcome)
