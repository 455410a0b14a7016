"""Limits of callers: what may be given, and what they do to long-polls."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from headrace_wire.messages.results import FetchRequest
from headrace_wire.timeouts import FOR_EVER, Limit, check_timeout, find_limit, shorten_waits


@pytest.mark.parametrize("timeout", [None, math.inf, 1e308, 10**400])
def test_what_is_longer_than_anything_is_for_ever_and_overflows_nothing(timeout: Any) -> None:
    limit = Limit.after(timeout)
    assert not limit.is_over
    assert limit.measure_left(20.0) == 20.0


@pytest.mark.parametrize("timeout", [0, -1, -math.inf, -(10**400), False])
def test_what_is_negative_or_nothing_is_over_at_once(timeout: Any) -> None:
    limit = Limit.after(timeout)
    assert limit.is_over
    assert limit.measure_left() == 0.0


@pytest.mark.parametrize("timeout", [2, 2.0, Fraction(2), Decimal(2), np.float32(2), np.int64(2)])
def test_any_number_will_do(timeout: Any) -> None:
    assert check_timeout(timeout) == 2.0


@pytest.mark.parametrize("timeout", [math.nan, np.float64("nan"), Decimal("nan")])
def test_nan_is_refused(timeout: Any) -> None:
    with pytest.raises(ValueError, match="not NaN"):
        Limit.after(timeout)


@pytest.mark.parametrize("timeout", ["1", b"1", [1], object(), 1j])
def test_what_is_no_number_is_refused_by_its_type(timeout: Any) -> None:
    with pytest.raises(TypeError, match="a timeout is a number of seconds or None"):
        Limit.after(timeout)


def test_a_limit_holds_inside_its_block_and_nowhere_else() -> None:
    assert find_limit() is None
    with FOR_EVER.applied():
        assert find_limit() is None
        with Limit.after(5).applied():
            assert find_limit() is not None
    assert find_limit() is None


def test_long_polls_are_shortened_and_everything_else_is_left_alone() -> None:
    request = FetchRequest("job", 0, True, 0, 20.0, 0)
    shortened, word = shorten_waits((request, "word"), Limit.after(0))
    assert (shortened.wait_seconds, word) == (0.0, "word")  # type: ignore[attr-defined] # the first is a request
    assert shorten_waits((request,), Limit.after(1000)) == (request,)
