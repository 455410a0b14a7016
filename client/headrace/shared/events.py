"""An event that tasks and programs share."""

from __future__ import annotations

from headrace.shared.handle import SharedHandle
from headrace_wire.shared import EVENT
from headrace_wire.timeouts import Limit


class SharedEvent(SharedHandle):
    """An event under a name; see ``threading.Event``."""

    kind = EVENT

    def is_set(self) -> bool:
        """Whether it is set."""
        return bool(self._read("is_set").numbers[0])

    def set(self) -> None:
        """Set it: who waits goes on."""
        self._change("set")

    def clear(self) -> None:
        """Unset it."""
        self._change("clear")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or for so many seconds. Returns whether it is.

        False also when the coordinator was away all that time.
        """
        return self._read("wait", limit=Limit.after(timeout)).done
