"""An initializer with arguments, which every process runs before its first task."""

from __future__ import annotations

import sys
from multiprocessing import Pool
from typing import Any

from deeds import recall, remember

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    for word in ("first", "second"):
        with Pool(WHERE, initializer=remember, initargs=(word,)) as pool:
            told = pool.map(recall, range(20), chunksize=1)
            print([number for number, _ in told])
            # A process of a cluster was there before; here, each pool has its own.
            print(
                {words[-1] for _, words in told}, all(words.count(word) == 1 for _, words in told)
            )
            print(pool.apply(recall, (7,))[1].count(word))
    try:
        Pool(WHERE, initializer=3)  # type: ignore[arg-type]
    except TypeError as error:
        print(error)
