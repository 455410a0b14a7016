"""What runs the tasks of a worker: a pool of slots of its own, or another cluster.

A client, the coordinator and the worker all have to know what an engine cannot do: what a job asks
for in vain is refused as early as possible.
"""

from __future__ import annotations

from msgspec import Struct


class Abilities(Struct, frozen=True):
    """What an engine can do. ``title`` names it for people.

    ``kills`` tells whether a task that runs can be ended from outside: at its time limit, or when
    it is cancelled.
    """

    title: str
    kills: bool


#: The worker's own pool.
POOL = "pool"

#: All that there are, by the name with which they are chosen.
ENGINES = {
    POOL: Abilities("a pool of slots", kills=True),
    "dask": Abilities("a Dask cluster", kills=False),
    "ray": Abilities("a Ray cluster", kills=True),
}


def keeps_limits(engine: str) -> bool:
    """Tell whether an engine ends tasks at their time limit; none that is not known here does."""
    abilities = ENGINES.get(engine)
    return abilities is not None and abilities.kills
