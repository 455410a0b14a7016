from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes import plan_tuplets, tasks
from headrace_services.primes.sieve import NumpySieve
from headrace_services.primes.tuplets import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace_services.service import Gathered, Plan

    Gather = Callable[[Plan], tuple[Gathered, bytes]]


def count_slowly(oracle: Callable[[int], bool], start: int, stop: int, size: int) -> int:
    primes = {number for number in range(start, stop) if oracle(number)}
    return sum(
        all(prime + distance in primes for distance in pattern)
        for pattern in PATTERNS[size]
        for prime in primes
    )


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(st.integers(0, 30), st.integers(0, 10**6)),
    st.integers(0, 200),
    st.integers(1, 40),
    st.integers(2, 6),
)
def test_no_tuplet_is_lost_or_counted_twice_where_tasks_meet(
    oracle: Callable[[int], bool], gather: Gather, start: int, length: int, span: int, size: int
) -> None:
    gathered, _ = gather(plan_tuplets(start, start + length, size, span=span))
    assert gathered.result == count_slowly(oracle, start, start + length, size)


@pytest.mark.parametrize("size", range(2, 7))
def test_tuplets_are_what_the_primesieve_command_counts(gather: Gather, size: int) -> None:
    command = shutil.which("primesieve")
    if command is None:
        pytest.skip("the primesieve command is the oracle here")
    for start, stop in ((0, 30), (3, 17), (5, 10**6), (10**9 + 1, 10**9 + 10**6)):
        shown = subprocess.run(
            [command, str(start), str(stop - 1), f"--count={size}", "--quiet"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        gathered, _ = gather(plan_tuplets(start, stop, size, span=100_003))
        assert gathered.result == int(shown.stdout)


def test_3_5_7_is_no_triplet(gather: Gather) -> None:
    assert gather(plan_tuplets(3, 8, 3))[0].result == 0
    assert gather(plan_tuplets(3, 12, 3))[0].result == 1


def test_the_last_twins_below_2_64_are_counted_to_the_end(
    oracle: Callable[[int], bool], gather: Gather, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "choose_engine", NumpySieve)
    start = 2**64 - 5000
    gathered, _ = gather(plan_tuplets(start, 2**64, 2, span=700))
    assert gathered.result == count_slowly(oracle, start, 2**64, 2)
    assert gathered.result
