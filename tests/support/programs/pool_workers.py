"""'Using a pool of workers', with what differs each time told in words that do not."""

from __future__ import annotations

import os
import sys
import time
from multiprocessing import Pool
from multiprocessing import TimeoutError as LateError
from typing import Any

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2


def f(x: int) -> int:
    return x * x


if __name__ == "__main__":
    with Pool(processes=WHERE) as pool:
        # print "[0, 1, 4,..., 81]"
        print(pool.map(f, range(10)))

        # print same numbers in arbitrary order
        print(sorted(pool.imap_unordered(f, range(10))))

        # evaluate "f(20)" asynchronously
        res = pool.apply_async(f, (20,))  # runs in *only* one process
        print(res.get(timeout=5))  # prints "400"

        # evaluate "os.getpid()" asynchronously
        pid = pool.apply_async(os.getpid, ())  # runs in *only* one process
        print(pid.get(timeout=5) != os.getpid())

        # launching multiple evaluations asynchronously *may* use more processes
        multiple_results = [pool.apply_async(os.getpid, ()) for i in range(4)]
        print(all(res.get(timeout=5) != os.getpid() for res in multiple_results))

        # make a single worker sleep for 10 seconds
        late = pool.apply_async(time.sleep, (10,))
        try:
            late.get(timeout=0.5)
        except LateError:
            print("We lacked patience and got a multiprocessing.TimeoutError")

        print("For the moment, the pool remains available for more work")
        print(pool.apply(f, (9,)))

    # exiting the 'with'-block has stopped the pool
    print("Now the pool is closed and no longer available")
    try:
        pool.apply(f, (9,))
    except ValueError as error:
        print(f"ValueError: {error}")
