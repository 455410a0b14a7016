"""Decimal text of any length, by Python or by GMP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from headrace_services.gmp import from_decimal, to_decimal


@pytest.fixture
def _lowest_limit() -> Iterator[None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(sys.int_info.str_digits_check_threshold)
    yield
    sys.set_int_max_str_digits(before)


@pytest.mark.usefixtures("_lowest_limit")
@pytest.mark.parametrize("length", [1, 577, 578, 579, 639, 640, 641, 5000])
def test_numbers_of_any_length_there_and_back(length: int) -> None:
    text = "9" * length
    number = from_decimal(text)
    assert number == 10**length - 1
    assert to_decimal(number) == text
    assert to_decimal(-number) == f"-{text}"


def test_short_numbers_are_read_without_gmp() -> None:
    program = """
import sys
from collections.abc import Iterator
from headrace_services.primes import parse_number
assert parse_number("2^64-59") + parse_number("1e9") == 2**64 - 59 + 10**9
assert "gmpy2" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
