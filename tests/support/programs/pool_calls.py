"""Calls of a pool: results and what goes wrong, lazy maps, exceptions of other processes."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pool
from multiprocessing import TimeoutError as LateError
from typing import Any

from deeds import TooDeepError, dig, doze, invert, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2


def count_down() -> Iterator[int]:
    yield from range(5, 0, -1)
    raise KeyError("the generator's own")


def show_exceptions(pool: Any) -> None:
    """Their class, their arguments and where they were raised."""
    try:
        pool.apply(dig, (4,))
    except TooDeepError as error:
        cause = str(error.__cause__)
        print(type(error).__name__, error.args, type(error.__cause__).__name__)
        print("in dig" in cause, "ZeroDivisionError" in cause, "direct cause" in cause)
    try:
        pool.map(dig, [1, 2, 9, 3])
    except TooDeepError as error:
        print(error.args)
    try:
        pool.apply(open, ("/nowhere/at/all",))
    except FileNotFoundError as error:
        print(error.errno, error.filename, error)
    try:
        pool.apply(int, ("seven",))
    except ValueError as error:
        print(error)
    try:
        pool.apply(dig, (1, 2, 3))
    except TypeError as error:
        print(error)
    lazy: Any = pool.imap(invert, [3, 5, 7])
    for _ in range(4):
        try:
            print(next(lazy))
        except ZeroDivisionError as error:
            print(repr(error))
        except StopIteration:
            print("that is all")


def show_lazy_maps(pool: Any) -> None:
    """Of generators, with chunks, with time limits, in order and as they come."""
    print(sum(pool.imap(square, iter(range(2000)), chunksize=100)))
    print(sorted(pool.imap_unordered(square, (n for n in range(10)), chunksize=3)))
    print(pool.starmap(pow, zip(range(5), itertools.repeat(3)), chunksize=2))
    print(list(pool.imap_unordered(doze, [2.0, 0.1, 1.0])))
    lazy: Any = pool.imap(doze, [0.6, 0.0])
    try:
        lazy.next(timeout=0.05)
    except LateError:
        print("not yet")
    print(lazy.next(), lazy.next(timeout=5))
    try:
        pool.map(square, count_down())
    except KeyError as error:
        print(repr(error))
    for wrong in (pool.imap, pool.imap_unordered):
        try:
            wrong(square, [1], chunksize=0)
        except ValueError as error:
            print(error)
    try:
        pool.map(square, 3)
    except TypeError as error:
        print(error)


def show_generator(pool: Any) -> None:
    """It raises: its exception comes where the next value would have been."""
    values = pool.imap(square, count_down())
    for _ in range(7):
        try:
            print(next(values))
        except KeyError as error:
            print(repr(error))
        except StopIteration:
            print("that is all")


def show_results(pool: Any) -> None:
    """The example of class Pool: AsyncResult, iterators, and a call that takes too long."""
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


if __name__ == "__main__":
    with Pool(WHERE) as pool:
        show_exceptions(pool)
        show_lazy_maps(pool)
        show_generator(pool)
        show_results(pool)  # at the end: it leaves a call that runs
