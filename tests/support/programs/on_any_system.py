"""Calls functions on a cluster whose address is given, or on its own: for any system."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

from headrace import AsyncCluster, Pool, TaskFailedError


def square(number: int) -> int:
    return number * number


def measure(large: bytes, number: int) -> int:
    return len(large) + number


def vanish(_: int) -> None:
    os._exit(3)


async def ask(address: str) -> int:
    async with AsyncCluster(address) as cluster:
        return len(await cluster.workers())


def main(address: str | None) -> None:
    """Map a function of the standard library over there; here one of one's own."""
    with Pool(address or 2) as pool:
        print(sys.platform, pool.map(abs, range(-3, 3)), pool.map(len, [bytes(3 << 20)] * 2))
        if not address:
            print(pool.map(square, range(4)), pool.apply(os.getpid) != os.getpid())
            print(pool.map(partial(measure, bytes(1 << 20)), range(3)))
            try:
                pool.apply(vanish, (1,))
            except TaskFailedError:
                print("it vanished")
    if address:
        print(asyncio.run(ask(address)), "worker")


if __name__ == "__main__":
    main(os.environ.get("HEADRACE_COORDINATOR"))
