"""Which engine a program has chosen, and whether it supports the other arguments."""

from __future__ import annotations

from headrace.connecting import require_kind
from headrace_wire.engines import EngineChoice, parse_engine
from headrace_wire.errors import UsageError


def choose_engine(
    engine: str | None, address: object, *, limit: str = "", recycling: str = ""
) -> EngineChoice:
    """Read the name of an engine for an embedded cluster; None means a pool of slots.

    Raises TypeError, and UsageError for an unknown engine, for one in addition to the address of
    an existing cluster, and for a ``limit`` or ``recycling`` that it does not support.
    """
    if engine is None:
        return EngineChoice()
    require_kind(engine, str, "engine", "text, such as 'dask' or 'dask://host:8786'")
    chosen = parse_engine(engine)
    if address is not None:
        raise UsageError(
            f"engine={engine!r} is for a cluster that is started here: what runs the tasks of the "
            f"one at {address} its workers decide, with --engine"
        )
    chosen.require(limit=limit, recycling=recycling)
    return chosen
