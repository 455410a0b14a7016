"""How pools end: close and join, terminate, and what may not be done when."""

from __future__ import annotations

import sys
import time
from multiprocessing import Pool
from typing import Any

from deeds import doze, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    pool = Pool(WHERE)
    try:
        pool.join()
    except ValueError as error:
        print(error)
    results = [pool.apply_async(doze, (0.05 * n,)) for n in range(5)]
    lazy = pool.imap(square, range(5))
    pool.close()
    for use in (pool.apply, pool.apply_async):
        try:
            use(square, (3,))
        except ValueError as error:
            print(error)
    try:
        pool.map(square, [3])
    except ValueError as error:
        print(error)
    pool.join()
    # Everything that was asked for before is there.
    print([result.ready() for result in results], [result.get() for result in results])
    print(list(lazy))
    pool.close()
    pool.join()

    pool = Pool(WHERE)
    start = time.monotonic()
    late = pool.apply_async(doze, (60,))
    pool.terminate()
    pool.join()
    print(time.monotonic() - start < 20)
    try:
        pool.apply(square, (3,))
    except ValueError as error:
        print(error)

    for wrong in (0, -1):
        try:
            Pool(wrong)
        except ValueError as error:
            print(error)
