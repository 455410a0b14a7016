"""Futures: callbacks, exceptions with their cause, and maps over them."""

from __future__ import annotations

import concurrent.futures
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from deeds import TooDeepError, dig, invert, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

told: list[Any] = []


def take(future: concurrent.futures.Future[Any]) -> None:
    told.append(future.exception() or future.result())


if __name__ == "__main__":
    with ProcessPoolExecutor(WHERE) as executor:
        for call in (
            executor.submit(square, 12),
            executor.submit(invert, 5),
            executor.submit(int, "12", base=8),
        ):
            call.add_done_callback(take)
            call.exception()
        over = executor.submit(square, 3)
        print(over.result(timeout=10), over.done(), over.cancelled(), over.cancel())
        over.add_done_callback(take)

        try:
            executor.submit(dig, 4).result()
        except TooDeepError as error:
            cause = str(error.__cause__)
            print(type(error).__name__, error.args)
            print("in dig" in cause, "ZeroDivisionError" in cause, "direct cause" in cause)
        lazy = executor.map(invert, [4, 5, 6])
        print(next(lazy))
        try:
            next(lazy)
        except ZeroDivisionError as error:
            print(repr(error))
        print(list(lazy))  # an iterator that raised is at its end
        print(list(executor.map(pow, (2, 3, 4), (5, 6, 7))))
        print(list(executor.map(square, range(100), chunksize=30)) == [n * n for n in range(100)])
    print(sorted(map(repr, told)))
