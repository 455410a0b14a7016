"""Prime k-tuplets: which patterns count, and how a range is cut without losing one at a border.

A k-tuplet is k primes as close together as k primes can be, again and again: twins (p, p+2),
triplets of two patterns, quadruplets, quintuplets of two patterns, sextuplets. (3, 5, 7) and the
like, which occur once, are none. This is what the command ``primesieve --count=K`` counts.

A job counts the tuplets whose members all lie in [start, stop), each in the task that holds its
last member. Those of a task [low, high) are of two kinds: the ones that lie within it, which the
engine counts, and the ones that begin in [start, low) and end in [low, high). The widest pattern
spans 16 numbers, so the second kind is looked for by testing the few numbers around ``low`` one by
one. Every tuplet of the job is of one kind in one task, however short the tasks are.
"""

from __future__ import annotations

from headrace_services.primes.primality import is_prime

#: Distances of the members from the first one, for each pattern, by size.
PATTERNS: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((0, 2),),
    3: ((0, 2, 6), (0, 4, 6)),
    4: ((0, 2, 6, 8),),
    5: ((0, 2, 6, 8, 12), (0, 4, 6, 10, 12)),
    6: ((0, 4, 6, 10, 12, 16),),
}


def count_straddling(start: int, low: int, high: int, size: int) -> int:
    """Count tuplets with their first member in [start, low) and their last one in [low, high)."""
    width = PATTERNS[size][0][-1]
    first, end = max(start, low - width), min(high, low + width)
    primes = {number for number in range(first, end) if is_prime(number)}
    return sum(
        all(number + distance in primes for distance in pattern)
        for pattern in PATTERNS[size]
        for number in primes
        if number < low <= number + width
    )
