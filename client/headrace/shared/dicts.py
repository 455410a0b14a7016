"""A dict that tasks and programs share."""

from __future__ import annotations

from collections.abc import (
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    MutableMapping,
    ValuesView,
)
from typing import Any, Self

from headrace.async_shared.collections import AsyncDict
from headrace.async_shared.sealing import ABSENT, open_sealed, seal_key
from headrace.blocking import blocking
from headrace.shared.handle import SharedHandle
from headrace_wire.messages.shared import DICT


class SharedDict(SharedHandle, MutableMapping[Any, Any]):
    """A dict with a name, in insertion order. Each method is atomic, but ``d[k] += 1`` is two
    calls: see ``add`` and ``update_if``.

    Keys are numbers, strings, bytes, None and tuples of these. Unlike in a dict, 1, 1.0 and True
    are different keys, because keys are compared in their encoded form; 0.0 and -0.0 are the same
    key, and so are all NaN. Loops, ``copy`` and ``|`` fetch one page after the other, each in its
    state at that time. So a loop continues even if the dict is changed meanwhile.
    """

    kind = DICT

    setdefault = blocking(AsyncDict.setdefault)
    update_if = blocking(AsyncDict.update_if)
    add = blocking(AsyncDict.add)
    _pop = blocking(AsyncDict.pop)
    _popitem = blocking(AsyncDict.popitem)
    _update = blocking(AsyncDict.update)
    __setitem__ = blocking(AsyncDict.set)
    __contains__ = blocking(AsyncDict.contains)

    def __getitem__(self, key: Any) -> Any:
        found = self._read_now("get", seal_key(key)).values
        if not found:
            raise KeyError(key)
        return open_sealed(found[0])

    def __delitem__(self, key: Any) -> None:
        if not self._change_now("pop", seal_key(key)).values:
            raise KeyError(key)

    def __len__(self) -> int:
        return self._read_now("len").numbers[0]

    def __iter__(self) -> Iterator[Any]:
        return (open_sealed(key) for key, _ in self._read_pairs())

    def __reversed__(self) -> Iterator[Any]:
        return iter(list(self)[::-1])

    def __or__(self, other: Any) -> dict[Any, Any]:
        return self.copy() | _take_pairs(other) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Any) -> dict[Any, Any]:
        return _take_pairs(other) | self.copy() if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def copy(self) -> dict[Any, Any]:
        """Return its items, as a dict of the program's own."""
        return dict(self.read_items())

    def keys(self) -> KeysView[Any]:
        """Return the keys, which are fetched in pages."""
        return _Keys(self)

    def values(self) -> ValuesView[Any]:
        """Return the values, which are fetched in pages."""
        return _Values(self)

    def items(self) -> ItemsView[Any, Any]:
        """Return the keys with their values, which are fetched in pages."""
        return _Items(self)

    def pop(self, key: Any, default: Any = ABSENT) -> Any:
        """Remove a key. Returns its value, or ``default`` if there is none. Raises KeyError."""
        return self._pop(key, default)

    def popitem(self) -> tuple[Any, Any]:
        """Remove the item that was inserted last. Raises KeyError."""
        return self._popitem()

    def clear(self) -> None:
        """Remove all items."""
        self._change_now("clear")

    def update(self, other: Any = (), /, **named: Any) -> None:
        """Store many items: all at once if they have less than 4 MiB."""
        self._update(_take_pairs(other), **named)

    def _read_pairs(self) -> Iterator[tuple[bytes, bytes]]:
        cursor = -1
        while True:
            page = self._read_now("page", numbers=(cursor,))
            yield from zip(page.values[::2], page.values[1::2], strict=True)
            if not page.numbers:
                return
            (cursor,) = page.numbers

    def read_items(self) -> Iterator[tuple[Any, Any]]:
        """Yield keys with their values, page by page."""
        return ((open_sealed(key), open_sealed(value)) for key, value in self._read_pairs())


class _Keys(KeysView[Any]):
    """The keys, which can also be iterated in reverse order, as in a dict."""

    _mapping: SharedDict

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._mapping)


class _Items(ItemsView[Any, Any]):
    """The items, without one call for each."""

    _mapping: SharedDict

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping.read_items()

    def __reversed__(self) -> Iterator[tuple[Any, Any]]:
        return iter(list(self)[::-1])


class _Values(ValuesView[Any]):
    """The values, without one call for each."""

    _mapping: SharedDict

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping.read_items())

    def __reversed__(self) -> Iterator[Any]:
        return iter(list(self)[::-1])

    def __contains__(self, value: object) -> bool:
        return any(one == value for one in self)


def _take_pairs(other: Any) -> dict[Any, Any]:
    """Return a dict of what a dict can be made of; for a shared dict, without a call per value."""
    return other.copy() if isinstance(other, SharedDict) else dict(other)
