"""A segmented sieve of Eratosthenes in NumPy, for machines without the primesieve library.

It only has odd numbers, one byte each, in blocks of at most 16 MiB. The multiples of 3 to 13 come
from a repeated pattern. Those of other small primes are struck out by slices, in parts of 1 MiB
that fit into a core's cache, and those of large primes by index, for many primes at once.

The base primes only reach to the square root of the range's end if the block is long enough to
justify this, and never beyond 2^27, so that memory is bounded up to 2^64. If they end before the
root, the few remaining numbers are tested one by one. This is exact below 2^64, but much slower:
long ranges beyond 2^54 need primesieve.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from headrace_services.primes.primality import is_prime
from headrace_services.primes.tuplets import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: The maximum number of odd numbers, and so of bytes, in one block.
BLOCK_ODDS = 2**24
#: How many odd numbers one part of a block has: 1 MiB.
_PART_ODDS = 2**20
#: Base primes always reach at least to here if the range's end has a larger root, ...
_LEAST_DEPTH = 2**16
#: ... and never beyond this: 7.6 million primes in 30 MB.
_MOST_DEPTH = 2**27
#: Smaller primes are struck out by slices. With about 50 multiples in a part, both ways take the
#: same time.
_SLICED_BELOW = 20_000
#: How many base primes, or indices, are processed at once: 8 MiB.
_BATCH = 2**20
#: The primes whose multiples come from the pattern, and the odd numbers after which it repeats.
_PATTERN_PRIMES = (3, 5, 7, 11, 13)
_PATTERN_ODDS = 3 * 5 * 7 * 11 * 13


class NumpySieve:
    """The engine that only uses NumPy."""

    def count(self, start: int, stop: int) -> int:
        """Count primes."""
        found = int(start <= 2 < stop)
        for low, odds in _cut(start, stop):
            found += int(np.count_nonzero(_sieve(low, odds)))
        return found

    def count_tuplets(self, start: int, stop: int, size: int) -> int:
        """Count tuplets. The members of those that begin in a block may be a little beyond it."""
        beyond = PATTERNS[size][0][-1] // 2
        found = 0
        for low, odds in _cut(start, stop):
            ahead = min(beyond, max(stop - (low + 2 * odds) + 1, 0) // 2)
            flags = np.zeros(odds + beyond, dtype=np.bool_)
            flags[: odds + ahead] = _sieve(low, odds + ahead)
            for pattern in PATTERNS[size]:
                matches = flags[:odds].copy()
                for distance in pattern[1:]:
                    matches &= flags[distance // 2 : distance // 2 + odds]
                found += int(np.count_nonzero(matches))
        return found

    def generate(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Find primes."""
        two = np.array([2] if start <= 2 < stop else [], dtype=np.uint64)
        parts = [two]
        for low, odds in _cut(start, stop):
            numbers = np.flatnonzero(_sieve(low, odds)).astype(np.uint64)
            numbers *= np.uint64(2)
            numbers += np.uint64(low)
            parts.append(numbers)
        return np.concatenate(parts)


def _cut(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Divide [start, stop) into blocks: yield the first odd number, and how many there are."""
    low = start | 1
    left = (stop - low + 1) // 2
    while left > 0:
        odds = min(left, BLOCK_ODDS)
        yield low, odds
        low += 2 * odds
        left -= odds


def _sieve(low: int, odds: int) -> NDArray[np.bool_]:
    """Return flags for the primes among ``odds`` odd numbers from ``low`` on."""
    root = isqrt(low + 2 * odds - 2)
    depth = _choose_depth(root, odds)
    base = _find_base((depth - 1).bit_length())
    base = base[: np.searchsorted(base, depth, side="right")]
    flags = _lay_pattern(low, odds)
    sliced = int(np.searchsorted(base, _SLICED_BELOW))
    _strike_slices(flags, low, base[len(_PATTERN_PRIMES) : sliced])
    for first in range(sliced, len(base), _BATCH):
        _strike_indices(flags, low, base[first : first + _BATCH])
    if low <= _PATTERN_PRIMES[-1]:
        if low == 1:
            flags[0] = False
        for prime in _PATTERN_PRIMES:
            if low <= prime < low + 2 * odds:
                flags[(prime - low) // 2] = True
    if depth < root:
        left = np.flatnonzero(flags)
        flags[left] = [is_prime(low + 2 * index) for index in left.tolist()]
    return flags


def _choose_depth(root: int, odds: int) -> int:
    """Choose how far the base primes reach: to the root, or less if testing is cheaper.

    Striking out the multiples of one more base prime takes about 40 ns per block. Testing one of
    the remaining numbers takes up to 8 us, and all primes are among them. So it is best to reach
    the root unless it is very far.
    """
    if root <= min(max(_LEAST_DEPTH, 64 * odds), _MOST_DEPTH):
        return root
    return min(max(_LEAST_DEPTH, 2 * odds), _MOST_DEPTH)


@lru_cache(maxsize=1)
def _find_base(bits: int) -> NDArray[np.uint32]:
    """Return the odd primes below 2^bits. The limit is coarse, so that tasks share them."""
    end = 2**bits
    if bits <= 8:
        return np.array([n for n in range(3, end, 2) if is_prime(n)], dtype=np.uint32)
    base = _find_base.__wrapped__((bits + 1) // 2)
    found: list[NDArray[np.uint32]] = []
    for low, odds in _cut(1, end):
        flags = _lay_pattern(low, odds)
        _strike_slices(flags, low, base[len(_PATTERN_PRIMES) :])
        if low == 1:
            flags[0] = False
            flags[[prime // 2 for prime in _PATTERN_PRIMES]] = True
        found.append((np.flatnonzero(flags) * 2 + low).astype(np.uint32))
    return np.concatenate(found)


@lru_cache(maxsize=1)
def _make_pattern() -> NDArray[np.bool_]:
    """Return flags for the odd numbers without factors from 3 to 13: one part and one period."""
    numbers = np.arange(_PATTERN_ODDS) * 2 + 1
    period = np.logical_and.reduce([numbers % prime != 0 for prime in _PATTERN_PRIMES])
    return np.resize(period, _PART_ODDS + _PATTERN_ODDS)


def _lay_pattern(low: int, odds: int) -> NDArray[np.bool_]:
    pattern = _make_pattern()
    flags = np.empty(odds, dtype=np.bool_)
    for first in range(0, odds, _PART_ODDS):
        part = flags[first : first + _PART_ODDS]
        phase = (low // 2 + first) % _PATTERN_ODDS
        part[:] = pattern[phase : phase + len(part)]
    return flags


def _find_first_multiples(low: int, primes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of each prime's first odd multiple from ``low`` on, at least its square."""
    rest = (np.uint64(low) % primes.astype(np.uint64)).astype(np.int64)
    distance = np.where(rest == 0, 0, primes - rest)
    # From an odd number, an odd distance leads to an even multiple. The next one is odd.
    distance += np.where(distance & 1, primes, 0)
    if low < _MOST_DEPTH**2:
        np.maximum(distance, primes * primes - low, out=distance)
    return distance >> 1


def _strike_slices(flags: NDArray[np.bool_], low: int, base: NDArray[np.uint32]) -> None:
    primes = base.astype(np.int64)
    indices = _find_first_multiples(low, primes)
    steps: list[int] = primes.tolist()
    for first in range(0, len(flags), _PART_ODDS):
        part = flags[first : first + _PART_ODDS]
        for index, step in zip(indices.tolist(), steps, strict=True):
            part[index::step] = False
        indices -= _PART_ODDS
        behind = indices < 0
        indices[behind] %= primes[behind]


def _strike_indices(flags: NDArray[np.bool_], low: int, base: NDArray[np.uint32]) -> None:
    odds = len(flags)
    primes = base.astype(np.int64)
    indices = _find_first_multiples(low, primes)
    first = 0
    while first < len(primes):
        # All primes of a batch get as many columns as its smallest one needs.
        columns = odds // int(primes[first]) + 1
        rows = slice(first, first + max(_BATCH // columns, 1))
        first = rows.stop
        if columns == 1:
            struck = indices[rows]
        else:
            multiples = np.arange(columns, dtype=np.int64)
            struck = indices[rows, None] + primes[rows, None] * multiples
        flags[struck[struck < odds]] = False
