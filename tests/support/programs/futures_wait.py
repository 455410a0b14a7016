"""Waiting: for the first, for the first exception, for all, and not for ever."""

from __future__ import annotations

import concurrent.futures
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from deeds import doze, invert, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    with ProcessPoolExecutor(WHERE) as executor:
        executor.submit(square, 1).result()  # the processes are there
        quick, slow = executor.submit(doze, 0.05), executor.submit(doze, 0.6)
        done, rest = concurrent.futures.wait(
            [quick, slow], return_when=concurrent.futures.FIRST_COMPLETED
        )
        print(done == {quick}, rest == {slow}, quick.done(), slow.done())
        done, rest = concurrent.futures.wait(
            [quick, slow], timeout=0.05, return_when=concurrent.futures.ALL_COMPLETED
        )
        print(len(done), len(rest))
        try:
            slow.result(timeout=0.05)
        except TimeoutError as error:
            print(type(error).__name__)
        try:
            slow.exception(timeout=0.05)
        except concurrent.futures.TimeoutError:
            print("still")
        done, rest = concurrent.futures.wait(
            [quick, slow], return_when=concurrent.futures.ALL_COMPLETED
        )
        print(len(done), len(rest), slow.result())

        wrong, slow = executor.submit(invert, 5), executor.submit(doze, 0.6)
        done, rest = concurrent.futures.wait(
            [wrong, slow], return_when=concurrent.futures.FIRST_EXCEPTION
        )
        print(done == {wrong}, rest == {slow}, repr(wrong.exception()))

        slow.result()
        order = [executor.submit(doze, seconds) for seconds in (0.5, 0.1)]
        try:
            for future in concurrent.futures.as_completed(order, timeout=10):
                print(future.result() > 0)
            for future in concurrent.futures.as_completed(
                [executor.submit(doze, 0.7), order[1]], timeout=0.2
            ):
                print(future.result())
        except TimeoutError as error:
            print(error)
        try:
            print(list(executor.map(doze, [0.0, 0.9], timeout=0.3)))
        except TimeoutError as error:
            print(type(error).__name__)
