"""Prime k-tuplets: which patterns count, and how to divide a range without losing one at a border.

A k-tuplet is k primes in one of the closest patterns that can occur again and again: twins
(p, p+2), triplets of two patterns, quadruplets, quintuplets of two patterns, sextuplets. Groups
such as (3, 5, 7), which only occur once, do not count. The command ``primesieve --count=K`` counts
the same tuplets.

A job counts the tuplets whose members are all in [start, stop), each in the task that contains its
last member. There are two kinds of tuplets in a task [low, high): those that are completely within
it, which the engine counts, and those that begin in [start, low) and end in [low, high). The widest
pattern spans 16 numbers, so the second kind is found by testing the few numbers around ``low`` one
by one. Every tuplet of the job is of one kind in exactly one task, however short the tasks are.
"""

from __future__ import annotations

from headrace_services.primes.primality import is_prime

#: The distances of the members from the first one, for each pattern, by size.
PATTERNS: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((0, 2),),
    3: ((0, 2, 6), (0, 4, 6)),
    4: ((0, 2, 6, 8),),
    5: ((0, 2, 6, 8, 12), (0, 4, 6, 10, 12)),
    6: ((0, 4, 6, 10, 12, 16),),
}


def count_straddling(start: int, low: int, high: int, size: int) -> int:
    """Count the tuplets whose first member is in [start, low) and last member in [low, high)."""
    width = PATTERNS[size][0][-1]
    first, end = max(start, low - width), min(high, low + width)
    primes = {number for number in range(first, end) if is_prime(number)}
    return sum(
        all(number + distance in primes for distance in pattern)
        for pattern in PATTERNS[size]
        for number in primes
        if number < low <= number + width
    )
