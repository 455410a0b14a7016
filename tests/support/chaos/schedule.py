"""The plan of a chaos run: which fault, when, where, for how long. The same seed, the same plan."""

from __future__ import annotations

import random
from dataclasses import dataclass

#: Every fault that there is; ``faults.py`` has a function for each.
KINDS = (
    "kill a slot",
    "kill a slot in mid-task",
    "freeze a slot",
    "kill a fork server",
    "kill a worker",
    "stop a worker",
    "freeze a worker",
    "kill the coordinator",
    "stop the coordinator",
    "freeze the coordinator",
    "cut a worker's link",
    "reset a worker's link",
    "reset a client's link",
    "blackhole a worker",
    "blackhole a client",
    "lose a report's reply",
    "lose a lease's reply",
    "lose a heartbeat's reply",
    "lose a put's reply",
    "lose a submit's reply",
    "lose a seal's reply",
    "lose a fetch's reply",
    "kill an uploading client",
    "kill a downloading client",
    "crash a task",
    "jump the clock",
)

#: Seconds between two faults, as long as the run is long enough for all kinds.
PAUSE_SECONDS = 2.0

#: How long a fault lasts that lasts: so many leases at least and at most.
LASTS_LEASES = (1.3, 2.2)


@dataclass(frozen=True, slots=True)
class Step:
    """One fault. ``place`` picks a worker or client, modulo their number; what is disturbed already
    is passed over. A fault that does not last ignores ``lasts_seconds``.
    """

    at_seconds: float
    fault: str
    place: int
    lasts_seconds: float


def make_schedule(seed: int, seconds: float, lease_seconds: float) -> tuple[Step, ...]:
    """Every kind once in a random order, and again in another for as long as there is time."""
    chance = random.Random(seed)
    count = max(len(KINDS), int(seconds / PAUSE_SECONDS))
    kinds: list[str] = []
    while len(kinds) < count:
        kinds += chance.sample(KINDS, len(KINDS))
    pause_seconds = seconds / count
    return tuple(
        Step(
            at_seconds=round((number + chance.random() / 2) * pause_seconds, 2),
            fault=kind,
            place=chance.randrange(1 << 16),
            lasts_seconds=round(lease_seconds * chance.uniform(*LASTS_LEASES), 2),
        )
        for number, kind in enumerate(kinds[:count])
    )
