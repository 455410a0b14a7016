"""Processes that are replaced after a few tasks."""

from __future__ import annotations

import os
import sys
from multiprocessing import Pool
from typing import Any

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2


def whoami(x: int) -> tuple[int, int]:
    return x, os.getpid()


if __name__ == "__main__":
    with Pool(WHERE, maxtasksperchild=3) as pool:
        told = pool.map(whoami, range(12), chunksize=1)
    pids = [pid for _, pid in told]
    print([number for number, _ in told])
    print(len(set(pids)) >= 4, max(map(pids.count, pids)) <= 3)
