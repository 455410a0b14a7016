from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes.primality import is_prime

if TYPE_CHECKING:
    from collections.abc import Callable

#: Carmichael numbers (OEIS A002997), some large, the last a product of three known primes.
CARMICHAEL = [
    561, 1105, 1729, 2465, 2821, 6601, 8911, 10585, 15841, 29341, 825265, 321197185,
    5394826801, 232250619601, 9746347772161, 1436697831295441, 60977817398996785,
    7156857700403137441, 1791562810662585767521,
]  # fmt: skip
#: Smallest composites that pass Miller-Rabin in the first 1, 2, 3... prime bases (OEIS A014233).
STRONG_PSEUDOPRIMES = [
    2047, 1373653, 25326001, 3215031751, 2152302898747, 3474749660383, 341550071728321,
    3825123056546413051, 318665857834031151167461, 3317044064679887385961981,
]  # fmt: skip
#: Composites that pass the strong Lucas test with Selfridge's parameters (OEIS A217255).
STRONG_LUCAS_PSEUDOPRIMES = [5459, 5777, 10877, 16109, 18971, 22499, 24569, 25199, 40309, 58519]


@settings(deadline=None)
@given(st.one_of(st.integers(0, 5000), st.integers(0, 2**64), st.integers(2**64, 2**80)))
def test_the_verdict_is_the_oracles(oracle: Callable[[int], bool], number: int) -> None:
    assert is_prime(number) == oracle(number)


def test_every_small_number_is_judged_rightly(oracle: Callable[[int], bool]) -> None:
    wrong = [number for number in range(-5, 20_000) if is_prime(number) != oracle(number)]
    assert wrong == []


@pytest.mark.parametrize("number", [*CARMICHAEL, *STRONG_PSEUDOPRIMES, *STRONG_LUCAS_PSEUDOPRIMES])
def test_a_composite_that_fools_weaker_tests_is_composite(number: int) -> None:
    assert not is_prime(number)


@pytest.mark.parametrize("exponent", [61, 89, 127, 521, 607, 1279, 2203, 3217, 4423])
def test_a_mersenne_prime_is_prime(exponent: int) -> None:
    assert is_prime(2**exponent - 1)


@pytest.mark.parametrize("exponent", [67, 257, 1277, 4409, 9697])
def test_a_mersenne_number_that_is_composite_is_composite(exponent: int) -> None:
    assert not is_prime(2**exponent - 1)


def test_a_product_of_two_large_primes_is_composite() -> None:
    assert not is_prime((2**521 - 1) * (2**607 - 1))
    assert not is_prime((2**1279 - 1) ** 2)
