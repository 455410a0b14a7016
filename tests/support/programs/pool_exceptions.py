"""Exceptions of other processes: their class, their arguments and where they were raised."""

from __future__ import annotations

import sys
from multiprocessing import Pool
from typing import Any

from deeds import TooDeepError, dig, invert

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    with Pool(WHERE) as pool:
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
