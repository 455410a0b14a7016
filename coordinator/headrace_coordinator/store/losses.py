"""Reports large inputs and results that a store names but does not have, in one line.

The line is written when the store is opened. The payload file may still exist elsewhere, and the
operator should know this before clients request the results.
"""

from __future__ import annotations

import logging
from pathlib import Path

from headrace_wire.words import count, format_bytes

log = logging.getLogger(__name__)

#: How many jobs are named in a line.
NAMED_JOBS = 5


class Losses:
    """The lost contents of a payload file, added up."""

    def __init__(self) -> None:
        self._jobs: dict[str, None] = {}
        self._number = 0
        self._size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._number)

    def add(self, job: str, size_bytes: int) -> None:
        """Add a lost payload of this job."""
        self._jobs[job] = None
        self._number += 1
        self._size_bytes += size_bytes

    def tell(self, file: Path, how: str, consequence: str) -> None:
        """Write the line, if anything is lost, with the cause and the consequence."""
        if self:
            log.warning("%s %s: %s; %s", file, how, self._describe(), consequence)

    def _describe(self) -> str:
        named = ", ".join([*self._jobs][:NAMED_JOBS])
        left = len(self._jobs) - NAMED_JOBS
        more = f" and {left:,} more" if left > 0 else ""
        lost = count(self._number, "large input or result", "large inputs and results")
        jobs = "job" if len(self._jobs) == 1 else "jobs"
        are = "is" if self._number == 1 else "are"
        return f"{lost} ({format_bytes(self._size_bytes)}) of {jobs} {named}{more} {are} lost"
