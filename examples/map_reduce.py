"""The sum of all digits of all numbers below a limit, in chunks: map, then reduce.

    python examples/map_reduce.py [HOST:PORT]

The function is in the program itself, so it travels pickled: a cluster's workers are started with
`--allow-pickle`.
"""

from __future__ import annotations

import operator
import sys
from functools import reduce

from headrace import Pool

#: Numbers in all, and in one chunk.
LIMIT, CHUNK = 1_000_000, 25_000


def add_digits(start: int, stop: int) -> int:
    """Add up the digits of the numbers in [start, stop)."""
    return sum(sum(map(int, str(number))) for number in range(start, stop))


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else None
    chunks = [(start, min(start + CHUNK, LIMIT)) for start in range(0, LIMIT, CHUNK)]
    with Pool(address, serializer="cloudpickle") as pool:
        sums = pool.starmap(add_digits, chunks)
    print(f"the digits below {LIMIT:,} add up to {reduce(operator.add, sums):,}")


if __name__ == "__main__":
    main()
