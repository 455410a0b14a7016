"""The few parts of gmpy2 that are used here, with types, because it has no stubs.

Python refuses to convert decimal text of more than 4,300 digits. GMP converts any size quickly, so
all decimal conversion of numbers that may be huge uses this module. Python converts short ones,
because importing gmpy2 takes longer than everything else that a short command does.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Protocol, cast

#: How many digits Python converts with any limit, and the bits of a number with fewer digits.
_SHORT_DIGITS = sys.int_info.str_digits_check_threshold
_SHORT_BITS = 3 * _SHORT_DIGITS


class Integer(Protocol):
    """An ``mpz``."""

    def __int__(self) -> int: ...

    def digits(self, base: int, /) -> str:
        """Return the digits in this base, as text."""
        ...


class Gmp(Protocol):
    """The module ``gmpy2``."""

    def mpz(self, value: int | str, base: int = ..., /) -> Integer:
        """Make a GMP integer from an int, or from text in this base."""
        ...

    def is_prime(self, value: int | Integer, repetitions: int, /) -> bool:
        """Run GMP's own test, which is never False for a prime."""
        ...

    def is_strong_bpsw_prp(self, value: int | Integer, /) -> bool:
        """Return whether the value is a strong Baillie-PSW probable prime."""
        ...

    def is_strong_prp(self, value: int | Integer, base: int, /) -> bool:
        """Return whether the value passes one Miller-Rabin round in this base."""
        ...

    def version(self) -> str:
        """Return the version of gmpy2."""
        ...


@cache
def load_gmp() -> Gmp:
    """Import gmpy2 when it is first needed."""
    return cast("Gmp", import_module("gmpy2"))


def to_decimal(number: int) -> str:
    """Return the decimal digits of a number of any size."""
    if number.bit_length() <= _SHORT_BITS:
        return str(number)
    return load_gmp().mpz(number).digits(10)


def from_decimal(digits: str) -> int:
    """Return the number, of any size, with these decimal digits."""
    if len(digits) <= _SHORT_DIGITS:
        return int(digits)
    return int(load_gmp().mpz(digits, 10))
