"""Which engine a program has asked for, and whether it can do what else is asked for."""

from __future__ import annotations

from headrace_wire.engines import EngineChoice, parse_engine
from headrace_wire.errors import UsageError


def choose_engine(
    engine: str | None, address: object, *, limit: str = "", recycling: str = ""
) -> EngineChoice:
    """Read the name of an engine for an embedded cluster; None for a pool of slots.

    Raises UsageError for one that is not known, for one beside the address of a cluster that is
    there, and for a time limit or a recycling that it cannot keep, which are named.
    """
    if engine is None:
        return EngineChoice()
    chosen = parse_engine(engine)
    if address is not None:
        raise UsageError(
            f"engine={engine!r} is for a cluster that is started here: what runs the tasks of the "
            f"one at {address} its workers decide, with --engine"
        )
    chosen.require(limit=limit, recycling=recycling)
    return chosen
