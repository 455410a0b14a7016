"""Somebody who means well, and measures how he is served meanwhile.

One connection is there from before, and asks something every few milliseconds. Others are opened
one after the other, as new clients do, each with the patience that clients have.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

from headrace_wire.errors import HeadraceError
from headrace_wire.manager import QueueManager
from support.hostile.peer import Place

#: Seconds between two calls of the established connection, and between two new ones.
CALL_SECONDS = 0.005
NEWCOMER_SECONDS = 0.1

#: Seconds for which a new client goes on trying.
PATIENCE_SECONDS = 10.0


def probe(place: Place, counts: Counter[str]) -> None:
    """Measure until told to stop. Times are in microseconds."""
    newcomer = threading.Thread(target=_come, args=(place, counts))
    established = QueueManager(place.address, place.client_key)
    jobs = established.jobs()
    jobs.info()
    place.ready.set()
    newcomer.start()
    taken: list[float] = []
    try:
        while not place.stop.wait(CALL_SECONDS):
            began = time.monotonic()
            try:
                jobs.info()
            except HeadraceError:
                counts["lost"] += 1
            taken.append(time.monotonic() - began)
    finally:
        newcomer.join()
        established.close()
    taken.sort()
    counts["calls"] = len(taken)
    for name, share in (("p50", 0.5), ("p99", 0.99), ("most", 1.0)):
        place_in_order = min(len(taken) - 1, int(len(taken) * share))
        counts[name] = round(taken[place_in_order] * 1e6) if taken else 0


def _come(place: Place, counts: Counter[str]) -> None:
    """Come as a new client, ask something, go, and again."""
    while not place.stop.wait(NEWCOMER_SECONDS):
        began = time.monotonic()
        manager = QueueManager(place.address, place.client_key, patience_seconds=PATIENCE_SECONDS)
        try:
            manager.jobs().info()
        except HeadraceError:
            counts["kept out"] += 1
        else:
            counts["let in"] += 1
        finally:
            manager.close()
        counts["slowest"] = max(counts["slowest"], round((time.monotonic() - began) * 1e6))
