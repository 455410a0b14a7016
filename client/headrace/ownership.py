"""To which process something belongs: what a forked child has a copy of is not its own.

The copy's threads do not exist in the child, and its connections are the parent's.
"""

from __future__ import annotations

import os

from headrace_wire.errors import HeadraceError


class ForkedError(HeadraceError, RuntimeError):
    """This belongs to the process from which this one was forked."""

    code = "forked"


class Ownership:
    """Belongs to the process that made it; ``what`` is what people call it."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._process = os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this is the process that made it."""
        return os.getpid() == self._process

    def require(self) -> None:
        """Raise ForkedError in any other process."""
        if not self.is_here:
            raise ForkedError(
                f"this {self._what} belongs to process {self._process}, from which this process "
                f"was forked: make another one here"
            )
