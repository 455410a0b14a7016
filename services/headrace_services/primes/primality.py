"""Tests whether a number is prime, for numbers of any size, with gmpy2.

A prime must pass the strong Baillie-PSW test. Below 2^64 the result is certain: no composite number
passes (this was checked with Feitsma's and Galway's list of all base-2 pseudoprimes below 2^64).
Above, no composite number is known that passes, but there may be some. So GMP's own test is used
before it, which finds most composites by trial division, and 16 rounds of Miller-Rabin in random
bases are used after it. The probability that a composite passes these is below 4^-16, whoever chose
it (Rabin 1980). Therefore "prime" above 2^64 means "prime beyond reasonable doubt", which is not a
proof; "composite" is always certain.
"""

from __future__ import annotations

from random import SystemRandom

from headrace_services.gmp import load_gmp

#: Below this, the strong Baillie-PSW test is known to be exact.
CERTAIN_BELOW = 2**64
#: How many Miller-Rabin rounds in random bases are made for larger numbers.
ROUNDS = 16

#: Below this, GMP's own test decides by trial division; gmpy2's BPSW refuses some tiny numbers.
_TRIVIAL_BELOW = 1000


def is_prime(number: int) -> bool:
    """Return whether a number is prime; 0, 1 and negative numbers are not."""
    gmp = load_gmp()
    if number < _TRIVIAL_BELOW:
        return number > 1 and gmp.is_prime(number, 25)
    if number % 2 == 0:
        return False
    if number < CERTAIN_BELOW:
        return gmp.is_strong_bpsw_prp(number)
    value = gmp.mpz(number)
    if not (gmp.is_prime(value, 1) and gmp.is_strong_bpsw_prp(value)):
        return False
    random = SystemRandom()
    return all(gmp.is_strong_prp(value, random.randrange(2, number - 1)) for _ in range(ROUNDS))
