"""The few parts of gmpy2 that are used here, typed: it ships no stubs.

Python refuses decimal text beyond 4,300 digits; GMP converts any size, and fast, so all decimal
conversion of numbers that may be huge goes through here. Short ones are Python's to convert: with
gmpy2 comes what costs a command more than all else that it does.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Protocol, cast

#: Digits that Python converts whatever limit it is told, and bits of a number with fewer.
_SHORT_DIGITS = sys.int_info.str_digits_check_threshold
_SHORT_BITS = 3 * _SHORT_DIGITS


class Integer(Protocol):
    """An ``mpz``."""

    def __int__(self) -> int: ...

    def digits(self, base: int, /) -> str:
        """Digits in the base, as text."""
        ...


class Gmp(Protocol):
    """The module ``gmpy2``."""

    def mpz(self, value: int | str, base: int = ..., /) -> Integer:
        """Make a GMP integer of an int, or of text in the base."""
        ...

    def is_prime(self, value: int | Integer, repetitions: int, /) -> bool:
        """GMP's own test: never False for a prime."""
        ...

    def is_strong_bpsw_prp(self, value: int | Integer, /) -> bool:
        """Strong Baillie-PSW probable prime."""
        ...

    def is_strong_prp(self, value: int | Integer, base: int, /) -> bool:
        """Tell whether the value passes one Miller-Rabin round in the base."""
        ...

    def version(self) -> str:
        """Version of gmpy2."""
        ...


@cache
def load_gmp() -> Gmp:
    """Import gmpy2, at the first need of it."""
    return cast("Gmp", import_module("gmpy2"))


def to_decimal(number: int) -> str:
    """Decimal digits of a number of any size."""
    if number.bit_length() <= _SHORT_BITS:
        return str(number)
    return load_gmp().mpz(number).digits(10)


def from_decimal(digits: str) -> int:
    """Number of any size that the decimal digits stand for."""
    if len(digits) <= _SHORT_DIGITS:
        return int(digits)
    return int(load_gmp().mpz(digits, 10))
