"""Calls of an executor: callbacks, exceptions, waiting in every way, and what runs at the end."""

from __future__ import annotations

import concurrent.futures
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from deeds import TooDeepError, dig, doze, invert, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

told: list[Any] = []


def take(future: concurrent.futures.Future[Any]) -> None:
    told.append(future.exception() or future.result())


def show_callbacks(executor: Any) -> None:
    """Callbacks, exceptions with their cause, and maps over them."""
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


def show_waiting(executor: Any) -> None:
    """For the first, for the first exception, for all, and not for ever."""
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


def show_what_runs(executor: Any) -> None:
    """What runs already cannot be cancelled."""
    executor.submit(square, 1).result()
    busy = [executor.submit(doze, 0.6) for _ in range(2)]
    time.sleep(0.3)
    print(busy[0].cancel(), [future.result() for future in busy])
    executor.submit(doze, 0.6)
    time.sleep(0.3)
    executor.shutdown(cancel_futures=True)
    print(busy[0].cancelled(), busy[0].done())


if __name__ == "__main__":
    with ProcessPoolExecutor(WHERE) as executor:
        show_callbacks(executor)
        show_waiting(executor)
        show_what_runs(executor)  # at the end: it shuts the executor down
    print(sorted(map(repr, told)))
