"""Primes: finds, counts and tests them, and counts prime tuplets.

It is cheap to import: NumPy, gmpy2 and the primesieve library are only loaded by what uses them.
"""

from __future__ import annotations

from headrace_services.primes.notation import MAX_CANDIDATE_BITS, NumberTooLargeError, parse_number
from headrace_services.primes.plan import plan_count, plan_find, plan_test, plan_tuplets
from headrace_services.primes.service import PRIMES

__all__ = [
    "MAX_CANDIDATE_BITS",
    "PRIMES",
    "NumberTooLargeError",
    "parse_number",
    "plan_count",
    "plan_find",
    "plan_test",
    "plan_tuplets",
]
