"""Large inputs and results that a store names and does not have, told in one line.

The line is written when the store is opened: whoever runs the coordinator may still have the
payload file elsewhere, and should not hear of it from those who ask for results.
"""

from __future__ import annotations

import logging
from pathlib import Path

from headrace_wire.words import count, format_bytes

log = logging.getLogger(__name__)

#: Jobs that are named in a line.
NAMED_JOBS = 5


class Losses:
    """What of a payload file is lost, added up."""

    def __init__(self) -> None:
        self._jobs: dict[str, None] = {}
        self._number = 0
        self._size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._number)

    def add(self, job: str, size_bytes: int) -> None:
        """Note that a payload of this job is lost."""
        self._jobs[job] = None
        self._number += 1
        self._size_bytes += size_bytes

    def tell(self, file: Path, how: str, consequence: str) -> None:
        """Write the line, if anything is lost: how it came and what it means."""
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
