"""A list that tasks and programs share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, overload

from headrace.shared.batches import gather_batches
from headrace.shared.handle import SharedHandle, open_sealed, seal, seal_number
from headrace_wire.shared import LIST


class SharedList(SharedHandle):
    """A list under a name. Each method is atomic; ``l[i] += 1`` is two: see ``add``.

    Slices and loops fetch pages, one after the other, each of them as it is at that time.
    """

    kind = LIST

    def append(self, value: Any) -> None:
        """Put a value at the end."""
        self._change("append", seal(value))

    def extend(self, values: Iterable[Any]) -> None:
        """Put values at the end, together as long as they take less than 4 MiB."""
        for batch in gather_batches((seal(value),) for value in values):
            self._change("append", *batch)

    def insert(self, index: int, value: Any) -> None:
        """Put a value before the one at ``index``."""
        self._change("insert", seal(value), numbers=(index,))

    def pop(self, index: int = -1) -> Any:
        """Take one out. Raises IndexError."""
        found = self._change("pop", numbers=(index,)).values
        if not found:
            raise IndexError(f"pop from {self!r}: there is no item {index}")
        return open_sealed(found[0])

    def remove(self, value: Any) -> None:
        """Take out the first that equals ``value``. Raises ValueError."""
        while True:
            index, found = self._find(value)
            if self._change("pop", found, numbers=(index,)).numbers[0]:
                return

    def add(self, index: int, amount: float = 1) -> Any:
        """Add to a number in place. Returns what it is now. Raises IndexError and UsageError."""
        found = self._change("add", seal_number(amount), numbers=(index,)).values
        return open_sealed(self._require(found, index)[0])

    def clear(self) -> None:
        """Take all out."""
        self._change("clear")

    def index(self, value: Any) -> int:
        """The place of the first that equals ``value``. Raises ValueError."""
        return self._find(value)[0]

    def count(self, value: Any) -> int:
        """How many equal ``value``."""
        return sum(one == value for one in self)

    def __len__(self) -> int:
        return self._read("len").numbers[0]

    def __iter__(self) -> Iterator[Any]:
        return map(open_sealed, self._read_range(0, None))

    def __contains__(self, value: object) -> bool:
        return any(one == value for one in self)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            places = range(len(self))[index]
            if not places:
                return []
            first, last = min(places[0], places[-1]), max(places[0], places[-1])
            found = list(map(open_sealed, self._read_range(first, last + 1)))
            step = places.step
            return found[::step] if step > 0 else found[::-1][::-step]
        return open_sealed(self._require(self._read("get", numbers=(index,)).values, index)[0])

    def __setitem__(self, index: int, value: Any) -> None:
        done = self._change("set", seal(value), numbers=(index,)).numbers[0]
        self._require((b"",) if done else (), index)

    def __delitem__(self, index: int) -> None:
        self._require(self._change("pop", numbers=(index,)).values, index)

    def _find(self, value: Any) -> tuple[int, bytes]:
        for index, found in enumerate(self._read_range(0, None)):
            if open_sealed(found) == value:
                return index, found
        raise ValueError(f"{value!r} is not in {self!r}")

    def _read_range(self, start: int, stop: int | None) -> Iterator[bytes]:
        end = (1 << 62) if stop is None else stop
        while start < end:
            page = self._read("page", numbers=(start, end)).values
            yield from page
            start += len(page)
            if not page:
                return

    def _require(self, found: tuple[bytes, ...], index: int) -> tuple[bytes, ...]:
        if not found:
            raise IndexError(f"{self!r} has no item {index}")
        return found
