"""The other clusters that a worker can use, by name, and how each is opened.

headrace worker --engine NAME ─► open_grid ─► the module of that cluster ─► Grid
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from headrace_wire.bounds import MAX_SLOTS
from headrace_wire.engines import POOL
from headrace_wire.errors import UsageError
from headrace_wire.version import VERSION
from headrace_worker.engines.grid import Grid


class GridRequest(Struct, frozen=True):
    """Which cluster is requested: the one at ``address``, or if that is "", a new one on this
    machine, which is started for this worker with this many ``slots`` (None means one for each
    core) and writes to a folder inside ``folder``, if that is given and suitable. If a cluster does
    not answer, it is tried again for ``patience_seconds``.
    """

    address: str = ""
    slots: int | None = None
    patience_seconds: float = 0.0
    folder: str = ""


#: Opens a cluster. Raises UsageError and UnreachableError.
Open = Callable[[GridRequest], Awaitable[Grid]]

#: The module of each cluster, which has a coroutine function ``open_grid``, and the library that it
#: needs, which the extra with the cluster's name installs.
_MODULES = {
    "dask": ("headrace_worker.engines.dask_grid", "distributed"),
    "ray": ("headrace_worker.engines.ray_grid", "ray"),
}

#: The names of all engines: the values of ``--engine``.
ENGINE_NAMES = (POOL, *_MODULES)


def require_library(engine: str) -> None:
    """Raise UsageError if there is no such engine, or if its library is missing."""
    if engine == POOL:
        return
    if engine not in _MODULES:
        raise UsageError(f"there is no engine {engine!r}: choose one of {', '.join(ENGINE_NAMES)}")
    _, library = _MODULES[engine]
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise UsageError(
            f"the engine {engine!r} needs the library {library!r}, which cannot be imported here "
            f"({error}): pip install {library} (in Docker, into an image FROM headrace:{VERSION})"
        ) from None


async def open_grid(engine: str, request: GridRequest) -> Grid:
    """Open the cluster that an engine uses.

    Raises UsageError, also if the library is missing, and UnreachableError.
    """
    require_library(engine)
    module: Any = importlib.import_module(_MODULES[engine][0])
    opening: Open = module.open_grid
    return await opening(request)


def read_most_slots(slots: str) -> int | None:
    """Return how many slots a worker is to have at most; None for as many as there are.

    Raises UsageError for a multiple of this machine's cores, for zero, and for too many.
    """
    if slots == "auto":
        return None
    if not re.fullmatch("[0-9]{1,9}", slots) or not 1 <= int(slots) <= MAX_SLOTS:
        raise UsageError(
            f"--slots {slots}: with an engine it is a number from 1 to {MAX_SLOTS}, or auto for as "
            "many as that cluster has processes"
        )
    return int(slots)
