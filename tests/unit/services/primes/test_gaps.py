from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes import gaps
from headrace_services.primes.gaps import decode_runs, encode_primes
from headrace_services.primes.sieve import NumpySieve

#: Half distances: as among primes below 2^64, where the largest is 775, and around the escapes.
halves = st.one_of(st.integers(1, 775), st.sampled_from([254, 255, 256, 510, 511, 765, 766, 775]))


def round_trip(numbers: list[int]) -> list[int]:
    runs = decode_runs(encode_primes(np.array(numbers, dtype=np.uint64)))
    return [base + int(one) for base, distances in runs for one in distances]


@settings(deadline=None)
@given(st.integers(1, 2**62), st.lists(halves, max_size=200))
def test_odd_numbers_come_back_as_they_were(half: int, distances: list[int]) -> None:
    numbers = [2 * half + 1]
    for distance in distances:
        numbers.append(numbers[-1] + 2 * distance)
    assert round_trip(numbers) == numbers


@pytest.mark.parametrize("numbers", [[], [2], [2, 3], [2, 3, 5, 7], [3], [2**64 - 59]])
def test_short_runs_come_back_as_they_were(numbers: list[int]) -> None:
    assert round_trip(numbers) == numbers


def test_the_largest_numbers_of_all_come_back_as_they_were() -> None:
    numbers = [2**64 - 1 - 2 * 775, 2**64 - 1]
    assert round_trip(numbers) == numbers


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_an_escape_may_be_cut_anywhere(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "_BATCH", batch)
    numbers = [2, 3, 5, 5 + 1550, 5 + 1550 + 510, 5 + 1550 + 510 + 512, 5 + 1550 + 510 + 514]
    assert round_trip(numbers) == numbers


def test_a_value_takes_about_a_byte_a_prime() -> None:
    primes = NumpySieve().generate(0, 10**6)
    assert len(encode_primes(primes)) == len(primes) + 7


def test_a_value_begins_with_its_first_prime() -> None:
    assert encode_primes(np.array([11, 13, 17], dtype=np.uint64)) == bytes(
        [11, 0, 0, 0, 0, 0, 0, 0, 1, 2]
    )


def test_too_many_primes_for_one_value_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "MAX_VALUE_BYTES", 9)
    with pytest.raises(ValueError, match="3 primes are too many for one task"):
        encode_primes(np.array([3, 5, 7], dtype=np.uint64))


@pytest.mark.parametrize("value", [b"\x07", b"\x07" + bytes(7) + b"\x01\x00"])
def test_what_is_no_gap_code_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="not a run of primes"):
        list(decode_runs(value))
