"""To which process an object belongs: a copy in a forked process must not be used.

The threads of the copy do not exist there, and its connections belong to the parent.
"""

from __future__ import annotations

import os

from headrace_wire.errors import HeadraceError


class ForkedError(HeadraceError, RuntimeError):
    """This belongs to the process from which this one was forked."""

    code = "forked"


class Ownership:
    """Belongs to the process that made it. ``what`` is its name in messages."""

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
