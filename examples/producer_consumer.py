"""Producers and consumers around a queue, on as many machines as there are.

    python examples/producer_consumer.py                  on this machine
    python examples/producer_consumer.py HOST:7333        on a cluster, whose workers were started
                                                          with --path examples
                                                          --allow producer_consumer

Consumers run as tasks and end when the queue is closed; what they find they put into a dict. The
queue holds three items at most, so that the producer, which is faster, waits for them. A consumer
that dies loses nothing: the item that it worked on comes back, and goes to another.
"""

from __future__ import annotations

import secrets
import sys

from headrace import Pool, current_cluster

#: Consumers, which need a slot each to run at the same time; items; how many may wait.
CONSUMERS, ITEMS, WAITING = 2, 40, 3


def consume(run: str) -> int:
    """Take items until there will be none. Returns how many this consumer has taken."""
    cluster = current_cluster()
    found = cluster.dict(f"{run} found")
    taken = 0
    for number in cluster.queue(f"{run} queue"):
        found[number] = sum(divisor for divisor in range(1, number) if number % divisor == 0)
        taken += 1
    return taken


def main() -> None:
    # By the name under which workers find this function, too.
    import producer_consumer as work  # noqa: PLC0415 - see above

    run = f"items-{secrets.token_hex(3)}"
    with Pool(*sys.argv[1:2]) as pool:
        line = pool.cluster.queue(f"{run} queue", maxsize=WAITING)
        found = pool.cluster.dict(f"{run} found")
        try:
            consumers = pool.map_async(work.consume, [run] * CONSUMERS, chunksize=1)
            for number in range(1, ITEMS + 1):
                line.put(number)
            line.close()
            taken = consumers.get(timeout=60)
            perfect = [number for number, total in sorted(found.items()) if number == total]
            print(f"{sum(taken)} items taken by {CONSUMERS} consumers", flush=True)
            print(f"perfect numbers up to {ITEMS}: {perfect}", flush=True)
        finally:
            line.delete()
            found.delete()


if __name__ == "__main__":
    main()
