"""What a change needs of the disk: see ``headrace_coordinator.store.disk``."""

from __future__ import annotations

from typing import NamedTuple

#: Contents of so many bytes are kept in the payload file; smaller ones in the database, which
#: writes them twice.
LARGE_BYTES = 16 << 10


class Need(NamedTuple):
    """``size_bytes`` more are written; so many ``floors`` are left free. Without any, it is written
    as long as there is something of the reserve.
    """

    size_bytes: int
    floors: int


#: What makes room, or is small: it is taken in however full the disk is.
RELIEF = Need(0, 0)

#: What tells of work that was done.
OUTCOMES = Need(0, 1)

#: What brings new work.
INTAKE = Need(0, 2)


def measure_outcomes(size_bytes: int) -> Need:
    """What values of so many bytes need together."""
    return RELIEF if size_bytes < LARGE_BYTES else Need(size_bytes, OUTCOMES.floors)


def measure_intake(size_bytes: int) -> Need:
    """What a batch of inputs of so many bytes needs."""
    times = 2 if size_bytes < LARGE_BYTES else 1
    return Need(times * size_bytes, INTAKE.floors)
