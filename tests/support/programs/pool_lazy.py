"""Lazy maps: of generators, with chunks, with time limits, in order and as they come."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from multiprocessing import Pool
from multiprocessing import TimeoutError as LateError
from typing import Any

from deeds import doze, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2


def count_down() -> Iterator[int]:
    yield from range(5, 0, -1)
    raise KeyError("the generator's own")


if __name__ == "__main__":
    with Pool(WHERE) as pool:
        print(sum(pool.imap(square, iter(range(2000)), chunksize=100)))
        print(sorted(pool.imap_unordered(square, (n for n in range(10)), chunksize=3)))
        print(pool.starmap(pow, zip(range(5), itertools.repeat(3)), chunksize=2))
        print(list(pool.imap_unordered(doze, [1.0, 0.1, 0.3])))
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
            pool.map(square, 3)  # type: ignore[arg-type]
        except TypeError as error:
            print(error)
