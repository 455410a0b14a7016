"""Lists and dicts that tasks and programs share, awaited."""

from __future__ import annotations

import operator
import sys
from collections.abc import AsyncIterator, Iterable
from typing import Any, SupportsIndex

from headrace.async_shared.handle import AsyncHandle
from headrace.async_shared.sealing import ABSENT, open_sealed, seal, seal_key, seal_number
from headrace.batches import gather_values
from headrace_wire.messages.shared import DICT, LIST

#: An index beyond the end of any list.
BEYOND_END = 1 << 62


class AsyncDict(AsyncHandle):
    """A dict with a name, in insertion order; see ``SharedDict``. Each method is atomic.

    Loops and ``copy`` fetch one page after the other, each in its state at that time.
    """

    kind = DICT

    async def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key, or ``default``."""
        found = (await self._read("get", seal_key(key))).values
        return open_sealed(found[0]) if found else default

    async def set(self, key: Any, value: Any) -> None:
        """Store a value under a key."""
        await self._change("set", seal_key(key), seal(value))

    async def contains(self, key: Any) -> bool:
        """Return whether the key exists."""
        return bool((await self._read("get", seal_key(key))).values)

    async def size(self) -> int:
        """Return how many keys there are."""
        return (await self._read("len")).numbers[0]

    async def pop(self, key: Any, default: Any = ABSENT) -> Any:
        """Remove a key. Returns its value, or ``default`` if there is none. Raises KeyError."""
        found = (await self._change("pop", seal_key(key))).values
        if found:
            return open_sealed(found[0])
        if default is ABSENT:
            raise KeyError(key)
        return default

    async def popitem(self) -> tuple[Any, Any]:
        """Remove the item that was inserted last. Raises KeyError."""
        found = (await self._change("popitem")).values
        if not found:
            raise KeyError("popitem(): dictionary is empty")
        return open_sealed(found[0]), open_sealed(found[1])

    async def clear(self) -> None:
        """Remove all items."""
        await self._change("clear")

    async def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key; if there is none, ``default`` is stored first."""
        answer = await self._change("setdefault", seal_key(key), seal(default))
        return open_sealed(answer.values[0])

    async def update(self, other: Any = (), /, **named: Any) -> None:
        """Store many items: all at once if they have less than 4 MiB."""
        pairs = {**dict(other), **named}
        groups = ((seal_key(key), seal(value)) for key, value in pairs.items())
        for batch in gather_values(groups):
            await self._change("set", *batch)

    async def update_if(self, key: Any, expected: Any, new: Any) -> bool:
        """Store ``new`` under a key if its value equals ``expected``. Returns whether it did.

        ``ABSENT`` as ``expected`` means that the key does not exist; as ``new`` it removes the key.
        """
        sealed_key = seal_key(key)
        values = () if new is ABSENT else (seal(new),)
        while True:
            found = (await self._read("get", sealed_key)).values
            if expected is ABSENT:
                if found:
                    return False
            elif not found or open_sealed(found[0]) != expected:
                return False
            told = (len(found), len(values))
            answer = await self._change("set_if", sealed_key, *found, *values, numbers=told)
            if answer.numbers[0]:
                return True

    async def add(self, key: Any, amount: float | SupportsIndex = 1) -> Any:
        """Add to the number under a key, which counts as 0 if there is none.

        Returns the new number. Raises UsageError if the value is not a number.
        """
        answer = await self._change("add", seal_key(key), seal_number(amount))
        return open_sealed(answer.values[0])

    async def items(self) -> AsyncIterator[tuple[Any, Any]]:
        """Yield keys with their values, which are fetched in pages."""
        cursor = -1
        while True:
            page = await self._read("page", numbers=(cursor,))
            for key, value in zip(page.values[::2], page.values[1::2], strict=True):
                yield open_sealed(key), open_sealed(value)
            if not page.numbers:
                return
            (cursor,) = page.numbers

    async def keys(self) -> AsyncIterator[Any]:
        """Yield the keys, which are fetched in pages."""
        async for pair in self.items():
            yield pair[0]

    async def values(self) -> AsyncIterator[Any]:
        """Yield the values, which are fetched in pages."""
        async for pair in self.items():
            yield pair[1]

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.keys()

    async def copy(self) -> dict[Any, Any]:
        """Return its items, as a dict of the program's own."""
        return {key: value async for key, value in self.items()}


class AsyncList(AsyncHandle):
    """A list with a name; see ``SharedList``. Each method is atomic.

    Loops and ``copy`` fetch one page after the other, each in its state at that time.
    """

    kind = LIST

    async def append(self, value: Any) -> None:
        """Add a value at the end."""
        await self._change("append", seal(value))

    async def extend(self, values: Iterable[Any]) -> None:
        """Add values at the end: all at once if they have less than 4 MiB."""
        for batch in gather_values((seal(value),) for value in values):
            await self._change("append", *batch)

    async def insert(self, index: SupportsIndex, value: Any) -> None:
        """Insert a value before the one at ``index``."""
        place = min(max(operator.index(index), -sys.maxsize), sys.maxsize)
        await self._change("insert", seal(value), numbers=(place,))

    async def get(self, index: SupportsIndex) -> Any:
        """Return the value at an index. Raises IndexError."""
        found = (await self._read("get", numbers=(find_place(index),))).values
        if not found:
            raise IndexError("list index out of range")
        return open_sealed(found[0])

    async def set(self, index: SupportsIndex, value: Any) -> None:
        """Replace the value at an index. Raises IndexError."""
        answer = await self._change("set", seal(value), numbers=(find_place(index),))
        if not answer.numbers[0]:
            raise IndexError("list assignment index out of range")

    async def pop(self, index: SupportsIndex = -1) -> Any:
        """Remove a value and return it. Raises IndexError."""
        answer = await self._change("pop", numbers=(fit_place(operator.index(index)),))
        if not answer.values:
            empty = answer.numbers == (0,)
            raise IndexError("pop from empty list" if empty else "pop index out of range")
        return open_sealed(answer.values[0])

    async def add(self, index: SupportsIndex, amount: float | SupportsIndex = 1) -> Any:
        """Add to a number in the list. Returns the new number. Raises IndexError and UsageError."""
        place = fit_place(operator.index(index))
        answer = await self._change("add", seal_number(amount), numbers=(place,))
        if not answer.values:
            raise IndexError("list index out of range")
        return open_sealed(answer.values[0])

    async def reverse(self) -> None:
        """Reverse the order."""
        await self._change("reverse")

    async def clear(self) -> None:
        """Remove all values."""
        await self._change("clear")

    async def size(self) -> int:
        """Return how many values there are."""
        return (await self._read("len")).numbers[0]

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield the values, which are fetched in pages."""
        start = 0
        while page := (await self._read("page", numbers=(start, BEYOND_END))).values:
            for value in page:
                yield open_sealed(value)
            start += len(page)

    async def copy(self) -> list[Any]:
        """Return its items, as a list of the program's own."""
        return [value async for value in self]


def find_place(index: Any) -> int:
    """Return an index as a number. Raises the TypeError and the IndexError of a list."""
    try:
        place = operator.index(index)
    except TypeError:
        name = type(index).__name__
        raise TypeError(f"list indices must be integers or slices, not {name}") from None
    return fit_place(place)


def fit_place(place: int) -> int:
    """Return an index that a list may have. Raises the IndexError of a list."""
    if not -sys.maxsize <= place <= sys.maxsize:
        raise IndexError("cannot fit 'int' into an index-sized integer")
    return place
