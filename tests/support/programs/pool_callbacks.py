"""Callbacks: of a call, of a whole map, and of what goes wrong."""

from __future__ import annotations

import sys
from multiprocessing import Pool
from typing import Any

from deeds import invert, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    collected: list[Any] = []
    wrong: list[BaseException] = []
    with Pool(WHERE) as pool:
        calls: list[Any] = [
            pool.apply_async(square, (n,), callback=collected.append) for n in range(20)
        ]
        calls.append(pool.apply_async(int, ("12",), {"base": 8}, collected.append, wrong.append))
        calls.append(pool.apply_async(invert, (5,), {}, collected.append, wrong.append))
        calls.append(pool.map_async(square, range(5), 2, collected.append, wrong.append))
        calls.append(pool.map_async(invert, range(9), None, collected.append, wrong.append))
        calls.append(pool.starmap_async(pow, [(2, 3), (3, 2)], None, collected.append))
        for start in (pool.map_async, pool.starmap_async):
            calls.append(start(square, [], None, collected.append, wrong.append))
            calls.append(start(square, [], 2, collected.append, wrong.append))
        for call in calls:
            call.wait(20)
        print([call.successful() for call in calls])
        pool.close()
        pool.join()
    print(sorted(one for one in collected if isinstance(one, int)))
    print(sorted(one for one in collected if isinstance(one, list)))
    print([repr(error) for error in wrong])
