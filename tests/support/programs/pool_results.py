"""The example of class Pool: AsyncResult, iterators, and a call that takes too long."""

from __future__ import annotations

import sys
import time
from multiprocessing import Pool
from multiprocessing import TimeoutError as LateError
from typing import Any

from deeds import invert, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    with Pool(WHERE) as pool:
        result = pool.apply_async(square, (10,))  # evaluate "square(10)" asynchronously
        print(result.get(timeout=5))  # prints "100"
        print(result.ready(), result.successful())

        print(pool.map(square, range(10)))  # prints "[0, 1, 4,..., 81]"

        it: Any = pool.imap(square, range(10))
        print(next(it))  # prints "0"
        print(next(it))  # prints "1"
        print(it.next(timeout=5))  # prints "4"

        late = pool.apply_async(time.sleep, (10,))
        late.wait(0.2)
        print(late.ready())
        try:
            late.successful()
        except ValueError:
            print("not over yet")
        try:
            late.get(timeout=0.2)
        except LateError:
            print("multiprocessing.TimeoutError")

        wrong = pool.apply_async(invert, (5,))
        wrong.wait()
        print(wrong.ready(), wrong.successful())
        try:
            wrong.get()
        except ZeroDivisionError as error:
            print(repr(error))

        print(pool.map(square, []), list(pool.imap(square, [])), pool.starmap(pow, []))
        print(pool.map_async(square, []).get(timeout=5))
