"""Pi by throwing darts: on this machine, or on the cluster at an address.

    python examples/monte_carlo.py [HOST:PORT]

The function is in the program itself, so it travels pickled: a cluster's workers are started with
`--allow-pickle`.
"""

from __future__ import annotations

import random
import sys

from headrace import Pool

#: Darts in one call, and calls.
DARTS, CALLS = 100_000, 40


def throw(seed: int) -> int:
    """Throw darts at a square. Returns how many hit the circle in it."""
    dice = random.Random(seed)  # noqa: S311 - darts, not secrets
    return sum(dice.random() ** 2 + dice.random() ** 2 <= 1 for _ in range(DARTS))


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else None
    hits = darts = 0
    with Pool(address, serializer="cloudpickle") as pool:
        for some in pool.imap_unordered(throw, range(CALLS)):
            hits, darts = hits + some, darts + DARTS
            print(f"\r{darts:>12,} darts: {4 * hits / darts:.5f}", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(f"pi is about {4 * hits / darts:.4f}")


if __name__ == "__main__":
    main()
