"""What runs the tasks of a worker: its own pool of slots, or another cluster.

A client, the coordinator and the worker have to know what an engine cannot do, so that a job that
asks for it is refused as early as possible.
"""

from __future__ import annotations

from msgspec import Struct

from headrace_wire.bounds import quote
from headrace_wire.errors import UsageError


class Abilities(Struct, frozen=True):
    """What an engine can do. ``title`` names it for people.

    ``kills`` means that a running task can be ended from outside: at its time limit, or when it is
    cancelled.
    """

    title: str
    kills: bool


#: The worker's own pool.
POOL = "pool"

#: All engines, by the name with which they are chosen.
ENGINES = {
    POOL: Abilities("a pool of slots", kills=True),
    "dask": Abilities("a Dask cluster", kills=False),
    "ray": Abilities("a Ray cluster", kills=True),
}


def keeps_limits(engine: str) -> bool:
    """Return whether an engine ends tasks at their time limit; False for unknown engines."""
    abilities = ENGINES.get(engine)
    return abilities is not None and abilities.kills


class EngineChoice(Struct, frozen=True):
    """An engine for a cluster that a program starts for itself: the engine's name, and the address
    of the other cluster, "" for a new one on this machine.
    """

    name: str = POOL
    address: str = ""

    @property
    def title(self) -> str:
        """The name of the engine, for people."""
        return ENGINES[self.name].title

    def require(self, *, limit: str = "", recycling: str = "") -> None:
        """Raise UsageError if it cannot do what is requested. ``limit`` and ``recycling`` name the
        request: a time limit of tasks, and processes that are replaced after some tasks.
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
    """Parse ``dask``, or ``dask://host:8786`` for an existing cluster; the name may be in any case.

    Raises UsageError.
    """
    word, found, address = text.partition("://")
    name = word.lower()
    if name not in ENGINES or (found and (not address or name == POOL)):
        known = ", ".join(ENGINES)
        raise UsageError(
            f"{quote(text)} is no engine: there are {known}, and an address may follow, as in "
            "dask://host:8786"
        )
    return EngineChoice(name, address)
