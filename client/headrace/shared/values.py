"""A value that tasks and programs share."""

from __future__ import annotations

from typing import Any, SupportsIndex

from headrace.shared.handle import SharedHandle, open_sealed, seal, seal_number
from headrace.shared.session import SharedSession
from headrace_wire.shared import VALUE


class SharedValue(SharedHandle):
    """One value under a name. Each method is atomic; ``get`` and then ``set`` is not."""

    kind = VALUE

    def __init__(self, session: SharedSession, name: str, initial: Any = 0) -> None:
        super().__init__(session, name, initial=seal(initial))

    def get(self) -> Any:
        """The value as it is now."""
        return open_sealed(self._read("get").values[0])

    def set(self, value: Any) -> None:
        """Put another in its place."""
        self._change("set", seal(value))

    def add(self, amount: float | SupportsIndex = 1) -> Any:
        """Add to a number. Returns what it is now. Raises UsageError for what is no number."""
        return open_sealed(self._change("add", seal_number(amount)).values[0])

    def compare_and_set(self, old: Any, new: Any) -> bool:
        """Put ``new`` in place of a value that equals ``old``. Returns whether it did."""
        sealed = seal(new)
        while True:
            found = self._read("get").values[0]
            if open_sealed(found) != old:
                return False
            if self._change("set_if", found, sealed).numbers[0]:
                return True
