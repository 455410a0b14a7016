"""ProcessPoolExecutor's example: which of these numbers are prime."""

from __future__ import annotations

import math
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

#: Where it runs: on as many processes as there are cores, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else None

PRIMES = [
    1122725350951,
    1125827059421,
    1122725350951,
    1152800951907,
    1157978480771,
    1099726899285,
]


def is_prime(n: int) -> bool:
    if n < 2:
        return False
    if n == 2:
        return True
    if n % 2 == 0:
        return False

    sqrt_n = math.floor(math.sqrt(n))
    for i in range(3, sqrt_n + 1, 2):  # noqa: SIM110 - as it is printed
        if n % i == 0:
            return False
    return True


def main() -> None:
    with ProcessPoolExecutor(WHERE) as executor:
        for number, prime in zip(PRIMES, executor.map(is_prime, PRIMES), strict=True):
            print(f"{number} is prime: {prime}")


if __name__ == "__main__":
    main()
