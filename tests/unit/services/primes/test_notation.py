from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes import MAX_CANDIDATE_BITS, parse_number
from headrace_services.primes.notation import show_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("00012", 12),
        ("1_000_000", 10**6),
        ("1e9", 10**9),
        ("1E+9", 10**9),
        ("1.5e3", 1500),
        ("2.0", 2),
        ("1000e-3", 1),
        ("0e999999999", 0),
        ("10**9", 10**9),
        ("2^64", 2**64),
        ("2^64-59", 2**64 - 59),
        ("10**18+9", 10**18 + 9),
        ("1e15+1e6", 10**15 + 10**6),
        ("1E15+1_000", 10**15 + 1000),
        ("2^64-2^32", 2**64 - 2**32),
        ("10**9-1.5e3+2^3-1", 10**9 - 1493),
        ("1e+3+1e+2", 1100),
        ("-1e3+1", -999),
        ("0^0", 1),
        ("1^999999999999", 1),
        ("1.8446744073709551616e19", 2**64),
        (" 7 ", 7),
        ("-5", -5),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, number: int) -> None:
    assert parse_number(text) == number


@settings(deadline=None)
@given(st.integers(-(2**64), 2**64))
def test_plain_digits_are_read_as_they_are(number: int) -> None:
    assert parse_number(str(number)) == number
    assert parse_number(f"{number:_}") == number


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abc", "'abc' is not a whole number"),
        ("", "'' is not a whole number"),
        ("1__0", "is not a whole number"),
        ("5-3", "is not a whole number"),
        ("5-1e3", "is not a whole number"),
        ("1e3+", "is not a whole number"),
        ("1e3++1", "is not a whole number"),
        ("1e3 + 1", "is not a whole number"),
        ("1e3+1.5^2", "is not a whole number"),
        ("1e3+1.5", "it has a fraction"),
        ("2^64+2^999999999999", "is too large"),
        ("1.5^2", "is not a whole number"),
        ("nan", "is not a whole number"),
        ("\u0661", "is not a whole number"),
        ("1.5", "it has a fraction"),
        ("1e-5", "it has a fraction"),
        ("1e-999999999999", "it has a fraction"),
        ("2^65", "'2^65' is too large: numbers here go up to 2^64"),
        ("9" * 30, "is too large"),
        ("1e999999999", "is too large"),
        ("2^999999999999", "is too large"),
        ("10**10**10", "is not a whole number"),
    ],
)
def test_what_is_no_number_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"whole|large") as caught:
        parse_number(text)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_huge_numbers_are_read_where_they_are_allowed() -> None:
    assert parse_number("2^9689-1", MAX_CANDIDATE_BITS) == 2**9689 - 1
    assert parse_number("1" + "0" * 5000, MAX_CANDIDATE_BITS) == 10**5000
    assert parse_number("1e5000", MAX_CANDIDATE_BITS) == 10**5000


def test_a_message_shows_the_head_of_a_huge_number() -> None:
    assert show_number(10**5000) == "10000000000000000000... (5,001 digits)"
    assert show_number(-12) == "-12"
