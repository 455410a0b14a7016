"""A function without a name, which pickle cannot carry."""

from __future__ import annotations

import pickle
import sys
from multiprocessing import Pool
from typing import Any

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    offset = 7
    with Pool(WHERE) as pool:
        try:
            print(pool.map(lambda x: x * x + offset, range(4)))
        except (pickle.PicklingError, AttributeError) as error:
            print(f"not with pickle: {type(error).__name__}")
