"""A list that tasks and programs share."""

from __future__ import annotations

import operator
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, MutableSequence
from itertools import islice
from typing import Any, Self, SupportsIndex, overload

from headrace.async_shared.collections import BEYOND_END, AsyncList, find_place
from headrace.async_shared.sealing import open_sealed, seal
from headrace.blocking import blocking
from headrace.shared.handle import SharedHandle
from headrace_wire.messages.shared import LIST, write_slice

#: How often a list that does not fit into one answer is read again because it was changed
#: meanwhile.
MOST_READINGS = 5


class SharedList(SharedHandle, MutableSequence[Any]):
    """A list with a name. Each method is atomic, but ``l[i] += 1`` is two calls: see ``add``.

    It works like a list. More than 5,000 items or 4 MiB need more than one message: such a list is
    read again, a few times, if it was changed meanwhile, and ``extend`` adds so many items in
    parts. A loop fetches one page after the other, each in its state at that time. ``+``, ``*``,
    slices and ``copy`` return lists of the program's own.
    """

    kind = LIST

    #: As for a list, because equality depends on the items.
    __hash__ = None  # type: ignore[assignment] # object's would be wrong

    append = blocking(AsyncList.append)
    insert = blocking(AsyncList.insert)
    pop = blocking(AsyncList.pop)
    add = blocking(AsyncList.add)
    _extend = blocking(AsyncList.extend)

    def extend(self, values: Iterable[Any]) -> None:
        """Add values at the end: all at once if they have less than 4 MiB."""
        # A shared list may be this one, which would never end because it grows.
        items = values.copy() if isinstance(values, SharedList) else values
        self._extend(items)

    def remove(self, value: Any) -> None:
        """Remove the first item that equals ``value``. Raises ValueError."""
        while True:
            sealed = enumerate(self._read_pages())
            first = next((one for one in sealed if _equals(open_sealed(one[1]), value)), None)
            if first is None:
                raise ValueError("list.remove(x): x not in list")
            if self._change_now("pop", first[1], numbers=(first[0],)).numbers[0]:
                return

    def clear(self) -> None:
        """Remove all items."""
        self._change_now("clear")

    def copy(self) -> list[Any]:
        """Return its items, as a list of the program's own."""
        return [open_sealed(value) for value in self._read_all()[0]]

    def index(self, value: Any, start: SupportsIndex = 0, stop: SupportsIndex = sys.maxsize) -> int:
        """Return the index of the first item that equals ``value``, from ``start`` to before
        ``stop``.

        Raises ValueError if there is none.
        """
        first, last = operator.index(start), operator.index(stop)
        if first < 0 or last < 0:
            whole = self.copy()
            items = iter(whole)
            first, last, _ = slice(first, last).indices(len(whole))
        else:
            items = iter(self)
        for place, one in enumerate(islice(items, first, max(first, last)), first):
            if _equals(one, value):
                return place
        none: list[Any] = []
        return none.index(value)  # raises the error of this Python version

    def count(self, value: Any) -> int:
        """Return how many items equal ``value``."""
        return sum(_equals(one, value) for one in self)

    def reverse(self) -> None:
        """Reverse the order."""
        self._change_now("reverse")

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        """Sort the items like ``list.sort``: in this process, and then store them all at once.

        This starts again if the list was changed meanwhile.
        """
        while True:
            sealed, version = self._read_all()
            items = list(map(open_sealed, sealed))
            keys = items if key is None else list(map(key, items))
            order = sorted(range(len(items)), key=keys.__getitem__, reverse=reverse)
            packed = struct.pack(f"<{len(order)}I", *order)
            if version is not None:
                told = self._change_now("reorder", packed, numbers=(version,)).numbers
                if told[0]:
                    return

    def __len__(self) -> int:
        return self._read_now("len").numbers[0]

    def __iter__(self) -> Iterator[Any]:
        return map(open_sealed, self._read_pages())

    def __reversed__(self) -> Iterator[Any]:
        return iter(self.copy()[::-1])

    def __contains__(self, value: object) -> bool:
        return any(_equals(one, value) for one in self)

    def __eq__(self, other: object) -> bool:
        items = _take_items(other)
        return NotImplemented if items is None else self.copy() == items

    def __lt__(self, other: Any) -> bool:
        items = _take_items(other)
        return NotImplemented if items is None else self.copy() < items

    def __le__(self, other: Any) -> bool:
        items = _take_items(other)
        return NotImplemented if items is None else self.copy() <= items

    def __gt__(self, other: Any) -> bool:
        items = _take_items(other)
        return NotImplemented if items is None else self.copy() > items

    def __ge__(self, other: Any) -> bool:
        items = _take_items(other)
        return NotImplemented if items is None else self.copy() >= items

    def __add__(self, other: Any) -> list[Any]:
        items = _take_items(other)
        if items is None:
            name = type(other).__name__
            raise TypeError(f'can only concatenate list (not "{name}") to list')
        return self.copy() + items

    def __radd__(self, other: Any) -> list[Any]:
        items = _take_items(other)
        return NotImplemented if items is None else items + self.copy()

    def __iadd__(self, values: Iterable[Any]) -> Self:  # type: ignore[misc] # as list has it
        self.extend(values)
        return self

    def __mul__(self, times: SupportsIndex) -> list[Any]:
        return self.copy() * _count_times(times)

    __rmul__ = __mul__

    def __imul__(self, times: SupportsIndex) -> Self:
        self._change_now("repeat", numbers=(min(max(_count_times(times), 0), sys.maxsize),))
        return self

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            answer = self._read_now("slice", numbers=write_slice(index))
            if len(answer.values) < answer.numbers[0]:
                return self.copy()[index]
            return [open_sealed(value) for value in answer.values]
        found = self._read_now("get", numbers=(find_place(index),)).values
        if not found:
            raise IndexError("list index out of range")
        return open_sealed(found[0])

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        if isinstance(index, slice):
            self._set_slice(index, value)
        elif not self._change_now("set", seal(value), numbers=(find_place(index),)).numbers[0]:
            raise IndexError("list assignment index out of range")

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        if isinstance(index, slice):
            self._change_now("cut", numbers=write_slice(index))
        elif not self._change_now("pop", numbers=(find_place(index),)).values:
            raise IndexError("list assignment index out of range")

    def _set_slice(self, chosen: slice, values: Iterable[Any]) -> None:
        numbers = write_slice(chosen)
        if isinstance(values, SharedList):
            values = values.copy()
        elif not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] # not all programs are checked
            refused: list[Any] = []
            refused[chosen] = values  # raises the TypeError of this Python version
        sealed = [seal(value) for value in values]
        told = self._change_now("splice", *sealed, numbers=numbers).numbers
        if not told[0]:
            raise ValueError(
                f"attempt to assign sequence of size {len(sealed)} to extended slice of size "
                f"{told[1]}"
            )

    def _read_all(self) -> tuple[list[bytes], int | None]:
        """Return all items as they were at one time, and the version that the list had then.

        The version is None if the list changed every time while it was read page by page.
        """
        for _ in range(MOST_READINGS):
            found: list[bytes] = []
            versions: set[int] = set()
            while True:
                page = self._read_now("page", numbers=(len(found), BEYOND_END))
                found += page.values
                versions.update(page.numbers)
                if not page.values or len(versions) > 1:
                    break
            if len(versions) == 1:
                return found, versions.pop()
        return list(self._read_pages()), None

    def _read_pages(self) -> Iterator[bytes]:
        start = 0
        while page := self._read_now("page", numbers=(start, BEYOND_END)).values:
            yield from page
            start += len(page)


def _take_items(other: object) -> list[Any] | None:
    """Return the items of a list, shared or not; None for what a list cannot be compared with."""
    if isinstance(other, SharedList):
        return other.copy()
    is_list = isinstance(other, list)
    items: Any = other
    return items if is_list else None


def _count_times(times: Any) -> int:
    try:
        return operator.index(times)
    except TypeError:
        name = type(times).__name__
        raise TypeError(f"can't multiply sequence by non-int of type '{name}'") from None


def _equals(one: Any, value: Any) -> bool:
    return one is value or bool(one == value)
