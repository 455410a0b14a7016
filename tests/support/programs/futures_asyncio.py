"""asyncio's example of run_in_executor, and other ways from one to the other."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from deeds import doze, invert, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2


def blocking_io() -> int:
    # File operations (such as logging) can block the event loop: run them in a thread pool.
    with Path("/dev/urandom").open("rb") as f:
        return len(f.read(100))


def cpu_bound() -> int:
    # CPU-bound operations will block the event loop: in general it is preferable to run them in a
    # process pool.
    return sum(i * i for i in range(10**6))


async def main() -> None:
    loop = asyncio.get_running_loop()

    # 1. Run in the default loop's executor:
    print("default thread pool", await loop.run_in_executor(None, blocking_io))

    # 2. Run in a custom process pool:
    with ProcessPoolExecutor(WHERE) as pool:
        print("custom process pool", await loop.run_in_executor(pool, cpu_bound))

        print(await asyncio.wrap_future(pool.submit(square, 9)))
        print(await asyncio.gather(*(loop.run_in_executor(pool, square, n) for n in range(5))))
        try:
            await loop.run_in_executor(pool, invert, 5)
        except ZeroDivisionError as error:
            print(repr(error))
        try:
            async with asyncio.timeout(0.1):
                await loop.run_in_executor(pool, doze, 1)
        except TimeoutError as error:
            print(type(error).__name__)
        for first in asyncio.as_completed([loop.run_in_executor(pool, square, 7)]):
            print(await first)


if __name__ == "__main__":
    asyncio.run(main())
