"""A generator that raises: its exception comes where the next value would have been."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from multiprocessing import Pool
from typing import Any

from deeds import square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2


def count_down() -> Iterator[int]:
    yield from range(5, 0, -1)
    raise KeyError("the generator's own")


if __name__ == "__main__":
    with Pool(WHERE) as pool:
        values = pool.imap(square, count_down())
        for _ in range(7):
            try:
                print(next(values))
            except KeyError as error:
                print(repr(error))
            except StopIteration:
                print("that is all")
