"""The introduction's example of a pool: data parallelism with ``map``."""

from __future__ import annotations

import sys
from multiprocessing import Pool
from typing import Any

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2


def f(x: int) -> int:
    return x * x


if __name__ == "__main__":
    with Pool(WHERE) as p:
        print(p.map(f, [1, 2, 3]))
