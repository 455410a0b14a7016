from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes.batches import (
    deal_numbers,
    decode_numbers,
    decode_verdicts,
    encode_numbers,
)
from headrace_services.primes.batches import (
    test_numbers as judge_numbers,
)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**200), max_size=50))
def test_numbers_come_back_from_an_input(numbers: list[int]) -> None:
    assert decode_numbers(encode_numbers(numbers)) == numbers


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(0, 100), st.integers(0, 2**3000)), max_size=60))
def test_each_number_is_dealt_once_and_in_order(numbers: list[int]) -> None:
    dealt = deal_numbers(numbers)
    assert [position for positions in dealt for position in positions] == list(range(len(numbers)))
    assert all(dealt)


def test_many_small_numbers_share_a_task_and_a_huge_one_is_alone() -> None:
    numbers = [*range(1000), 2**40_000 - 1, *range(1000)]
    dealt = deal_numbers(numbers)
    assert range(1000, 1001) in dealt
    assert len(dealt) <= 6


def test_a_hundred_thousand_numbers_keep_many_slots_busy() -> None:
    dealt = deal_numbers(range(10**18, 10**18 + 100_000))
    assert 50 <= len(dealt) <= 300
    assert max(len(positions) for positions in dealt) < 3000


def test_a_value_tells_of_its_numbers_in_order() -> None:
    value = judge_numbers(encode_numbers([0, 1, 2, 9, 2**127 - 1]))
    assert list(decode_verdicts(value)) == [
        (0, False),
        (1, False),
        (2, True),
        (9, False),
        (2**127 - 1, True),
    ]
