"""Say what clients are told where nobody listens, with an event loop that watches sockets, too."""

from __future__ import annotations

import asyncio
import os

from headrace import AsyncCluster, Cluster, UnreachableError

ADDRESS = os.environ["HEADRACE_COORDINATOR"]


async def ask() -> None:
    async with AsyncCluster(ADDRESS) as cluster:
        await cluster.workers()


def main() -> None:
    """Try it without an event loop, and with each of them."""
    for loop_factory in (None, asyncio.new_event_loop, asyncio.SelectorEventLoop):
        try:
            if loop_factory is None:
                with Cluster(ADDRESS) as cluster:
                    cluster.workers()
            else:
                with asyncio.Runner(loop_factory=loop_factory) as runner:
                    runner.run(ask())
        except UnreachableError as error:
            print(error)


if __name__ == "__main__":
    main()
