"""Whether a number is prime, for numbers of any size, with gmpy2.

GMP's own test sorts out nearly every composite by trial division. What is left must pass the
strong Baillie-PSW test. Below 2^64 that is certain: no composite there passes (checked against
Feitsma's and Galway's list of all base-2 pseudoprimes below 2^64). Above, no composite is known
that passes, and none is proved not to exist, so it must also pass 16 rounds of Miller-Rabin in
random bases, which lets a composite through with a probability below 4^-16 whoever chose it
(Rabin 1980). "Prime" above 2^64 therefore means "prime beyond reasonable doubt", not proved;
"composite" is always certain.
"""

from __future__ import annotations

from random import SystemRandom

from headrace_services.primes.gmp import load_gmp

#: Below this the strong Baillie-PSW test is known to be exact.
CERTAIN_BELOW = 2**64
#: Miller-Rabin rounds in random bases for numbers above.
ROUNDS = 16

#: Up to here GMP's trial division alone decides; gmpy2's BPSW has edge cases among tiny numbers.
_TRIVIAL_BELOW = 1000


def is_prime(number: int) -> bool:
    """Tell whether a number is prime; 0, 1 and negative numbers are not."""
    gmp = load_gmp()
    if number < 2 or not gmp.is_prime(number, 25):
        return False
    if number < _TRIVIAL_BELOW:
        return True
    value = gmp.mpz(number)
    if not gmp.is_strong_bpsw_prp(value):
        return False
    if number < CERTAIN_BELOW:
        return True
    random = SystemRandom()
    return all(gmp.is_strong_prp(value, random.randrange(2, number - 1)) for _ in range(ROUNDS))
