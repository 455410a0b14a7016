"""How much space on the disk a change needs: see ``headrace_coordinator.store.disk``."""

from __future__ import annotations

from typing import NamedTuple

#: Contents of this size or more are kept in the payload file, smaller ones in the database, which
#: writes them twice.
LARGE_BYTES = 16 << 10


class Need(NamedTuple):
    """A change writes ``size_bytes`` and leaves ``floors`` free; with 0 it may use the reserve."""

    size_bytes: int
    floors: int


#: For changes that free space or are small: they are accepted however full the disk is.
RELIEF = Need(0, 0)

#: For reports of finished work.
OUTCOMES = Need(0, 1)

#: For new work.
INTAKE = Need(0, 2)


def measure_outcomes(size_bytes: int) -> Need:
    """Return the need of values that have this total size."""
    return RELIEF if size_bytes < LARGE_BYTES else Need(size_bytes, OUTCOMES.floors)


def measure_intake(size_bytes: int) -> Need:
    """Return the need of a batch of inputs of this size."""
    times = 2 if size_bytes < LARGE_BYTES else 1
    return Need(times * size_bytes, INTAKE.floors)
