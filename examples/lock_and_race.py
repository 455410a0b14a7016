"""A race, and the lock that ends it, between tasks on as many machines as there are.

    python examples/lock_and_race.py                  on this machine
    python examples/lock_and_race.py HOST:7333        on a cluster, whose workers were started with
                                                      --path examples --allow lock_and_race

Every task reads a number, thinks for a moment, and writes it back plus one. Without a lock two of
them read the same number at a time, and one step is lost. ``add`` needs no lock: it is one step.
"""

from __future__ import annotations

import secrets
import sys
import time

from headrace import Pool, current_cluster

#: How often the number is counted up in all, and seconds between reading and writing it.
TASKS, STEPS = 8, 5
THINKING_SECONDS = 0.002


def count_without_lock(run: str) -> None:
    """Read, think, write: others may write in between."""
    counter = current_cluster().value(f"{run} counter")
    for _ in range(STEPS):
        number = counter.get()
        time.sleep(THINKING_SECONDS)
        counter.set(number + 1)


def count_with_lock(run: str) -> None:
    """The same, one at a time."""
    cluster = current_cluster()
    counter = cluster.value(f"{run} counter")
    for _ in range(STEPS):
        with cluster.lock(f"{run} lock"):
            number = counter.get()
            time.sleep(THINKING_SECONDS)
            counter.set(number + 1)


def count_in_one_step(run: str) -> None:
    """Let the coordinator add."""
    counter = current_cluster().value(f"{run} counter")
    for _ in range(STEPS):
        counter.add(1)


def main() -> None:
    # By the name under which workers find these functions, too.
    import lock_and_race as work  # noqa: PLC0415 - see above

    run = f"race-{secrets.token_hex(3)}"
    with Pool(*sys.argv[1:2]) as pool:
        counter = pool.cluster.value(f"{run} counter")
        lock = pool.cluster.lock(f"{run} lock")
        try:
            for count in (work.count_without_lock, work.count_with_lock, work.count_in_one_step):
                counter.set(0)
                pool.map(count, [run] * TASKS, chunksize=1)
                name = count.__name__.replace("_", " ")
                print(f"{name:<20} {counter.get():>3} of {TASKS * STEPS}", flush=True)
        finally:
            counter.delete()
            lock.delete()


if __name__ == "__main__":
    main()
