"""What runs the tasks of a worker: a pool of slots of its own, or another cluster.

A client, the coordinator and the worker all have to know what an engine cannot do: what a job asks
for in vain is refused as early as possible.
"""

from __future__ import annotations

from msgspec import Struct

from headrace_wire.bounds import quote
from headrace_wire.errors import UsageError


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


class EngineChoice(Struct, frozen=True):
    """An engine for a cluster that a program starts for itself: the engine's name, and where the
    other cluster is, "" for one of this machine that is started as well.
    """

    name: str = POOL
    address: str = ""

    @property
    def title(self) -> str:
        """Names it for people."""
        return ENGINES[self.name].title

    def require(self, *, limit: str = "", recycling: str = "") -> None:
        """Raise UsageError for what it cannot do of what is asked for, which is named: a time limit
        of tasks, and processes that are replaced after some tasks.
        """
        if limit and not keeps_limits(self.name):
            raise UsageError(
                f"{limit} cannot be kept: {self.title} cannot end a task that runs; leave it out, "
                "or use a pool of slots"
            )
        if recycling and self.name != POOL:
            raise UsageError(
                f"{recycling} is for the slots of a pool: tasks run in processes of {self.title}"
            )


def parse_engine(text: str) -> EngineChoice:
    """Read ``dask``, or ``dask://host:8786`` for a cluster that is there. Raises UsageError."""
    name, found, address = text.partition("://")
    if name not in ENGINES or (found and (not address or name == POOL)):
        known = ", ".join(ENGINES)
        raise UsageError(
            f"{quote(text)} is no engine: there are {known}, and an address may follow, as in "
            "dask://host:8786"
        )
    return EngineChoice(name, address)
