"""The demonstration of pools at the end of the documentation, all of it."""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from multiprocessing import Pool
from typing import Any

#: Where it runs: on four processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 4

#
# Functions used by test code
#


def calculate(func: Callable[..., Any], args: tuple[int, ...]) -> str:
    result = func(*args)
    return f"{multiprocessing.current_process().name} says that {func.__name__}{args} = {result}"


def calculatestar(args: tuple[Callable[..., Any], tuple[int, ...]]) -> str:
    return calculate(*args)


def mul(a: int, b: int) -> int:
    time.sleep(0.1 * random.random())
    return a * b


def plus(a: int, b: int) -> int:
    time.sleep(0.1 * random.random())
    return a + b


def f(x: float) -> float:
    return 1.0 / (x - 5.0)


#
# Test code
#


def test() -> None:
    print("Creating pool\n")

    with Pool(WHERE) as pool:
        #
        # Tests
        #

        tasks: list[Any] = [(mul, (i, 7)) for i in range(10)]
        tasks += [(plus, (i, 8)) for i in range(10)]

        results = [pool.apply_async(calculate, t) for t in tasks]
        imap_it: Any = pool.imap(calculatestar, tasks)
        imap_unordered_it = pool.imap_unordered(calculatestar, tasks)

        print("Ordered results using pool.apply_async():")
        for r in results:
            print("\t", r.get())
        print()

        print("Ordered results using pool.imap():")
        for x in imap_it:
            print("\t", x)
        print()

        print("Unordered results using pool.imap_unordered():")
        for x in imap_unordered_it:
            print("\t*", x)
        print()

        print("Ordered results using pool.map() --- will block till complete:")
        for x in pool.map(calculatestar, tasks):
            print("\t", x)
        print()

        #
        # Test error handling
        #

        print("Testing error handling:")

        try:
            print(pool.apply(f, (5,)))
        except ZeroDivisionError:
            print("\tGot ZeroDivisionError as expected from pool.apply()")
        else:
            raise AssertionError("expected ZeroDivisionError")

        try:
            print(pool.map(f, list(range(10))))
        except ZeroDivisionError:
            print("\tGot ZeroDivisionError as expected from pool.map()")
        else:
            raise AssertionError("expected ZeroDivisionError")

        try:
            print(list(pool.imap(f, list(range(10)))))
        except ZeroDivisionError:
            print("\tGot ZeroDivisionError as expected from list(pool.imap())")
        else:
            raise AssertionError("expected ZeroDivisionError")

        it: Any = pool.imap(f, list(range(10)))
        for i in range(10):
            try:
                x = next(it)
            except ZeroDivisionError:
                if i == 5:
                    pass
            except StopIteration:
                break
            else:
                if i == 5:
                    raise AssertionError("expected ZeroDivisionError")

        assert i == 9
        print("\tGot ZeroDivisionError as expected from IMapIterator.next()")
        print()

        #
        # Testing timeouts
        #

        print("Testing ApplyResult.get() with timeout:", end=" ")
        res = pool.apply_async(calculate, tasks[0])
        while True:
            sys.stdout.flush()
            try:
                sys.stdout.write(f"\n\t{res.get(0.02)}")
                break
            except multiprocessing.TimeoutError:
                sys.stdout.write(".")
        print()
        print()

        print("Testing IMapIterator.next() with timeout:", end=" ")
        it = pool.imap(calculatestar, tasks)
        while True:
            sys.stdout.flush()
            try:
                sys.stdout.write(f"\n\t{it.next(0.02)}")
            except StopIteration:
                break
            except multiprocessing.TimeoutError:
                sys.stdout.write(".")
        print()
        print()


if __name__ == "__main__":
    multiprocessing.freeze_support()
    test()
