"""A shared dict: keys and values are opaque, in order of insertion."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from operator import attrgetter

from headrace_coordinator.shared.objects import (
    DONE,
    Item,
    SharedContext,
    SharedObject,
    add_numbers,
    take_page,
    tell,
)
from headrace_wire.messages.shared import DICT, SharedAnswer, SharedCall

#: How many removed items may stay in the order before it is rebuilt.
MOST_REMOVED = 1000


class DictObject(SharedObject):
    """A dict. ``_order`` has all items by their numbers, and some that have been removed."""

    kind = DICT

    def __init__(self, name: str, context: SharedContext, owner: str = "") -> None:
        super().__init__(name, context, owner)
        self._items: dict[bytes, Item] = {}
        self._order: list[Item] = []

    def __len__(self) -> int:
        return len(self._items)

    def restore(self, head: bytes, items: list[Item]) -> None:
        del head
        self._order = items
        self._items = {item.key: item for item in items}

    def read(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.numbers, call.values:
            case "len", (), ():
                return SharedAnswer(numbers=(len(self),))
            case "get", (), (key,):
                item = self._items.get(key)
                return SharedAnswer(values=() if item is None else (item.value,))
            case "page", (cursor,), ():
                return self._read_page(cursor)
            case _:
                raise self.refuse(call)

    def change(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.values:
            case "set", (_, *_) as pairs if len(pairs) % 2 == 0:
                self._set_all(pairs)
                return DONE
            case "setdefault", (key, value):
                if key not in self._items:
                    self._set_all((key, value))
                return SharedAnswer(values=(self._items[key].value,))
            case "set_if", (key, *rest):
                return self._set_if(call, key, rest)
            case "pop", (key,):
                item = self._items.pop(key, None)
                return DONE if item is None else SharedAnswer(values=(self._remove(item),))
            case "popitem", ():
                if not self._items:
                    return DONE
                key, item = self._items.popitem()
                return SharedAnswer(values=(key, self._remove(item)))
            case "add", (key, amount):
                return self._add(key, amount)
            case "clear", ():
                self.drop(self._items.values())
                self._items, self._order = {}, []
                return DONE
            case _:
                raise self.refuse(call)

    def _set_all(self, pairs: Sequence[bytes]) -> None:
        new = dict(zip(pairs[::2], pairs[1::2], strict=True))
        self.require(sum(self._measure_growth(*pair) for pair in new.items()))
        for key, value in new.items():
            item = self._items.get(key)
            if item:
                self.overwrite(item, value)
            else:
                item = self._items[key] = Item(self.context.next_number(), value, key)
                self._order.append(item)
                self.keep(item, item.size_bytes)

    def _measure_growth(self, key: bytes, value: bytes) -> int:
        item = self._items.get(key)
        return len(value) - len(item.value) if item else Item(0, value, key).size_bytes

    def _set_if(self, call: SharedCall, key: bytes, rest: Sequence[bytes]) -> SharedAnswer:
        """Set or remove a key if its value is as expected.

        The numbers say whether a value is expected, and whether there is a new one.
        """
        match call.numbers:
            case (0 | 1 as expects, 0 | 1 as sets) if len(rest) == expects + sets:
                item = self._items.get(key)
                same = (item and item.value) == (rest[0] if expects else None)
                if same and sets:
                    self._set_all((key, rest[-1]))
                elif same and item:
                    self._remove(self._items.pop(key))
                return tell(same)
            case _:
                raise self.refuse(call)

    def _add(self, key: bytes, amount: bytes) -> SharedAnswer:
        item = self._items.get(key)
        stored = b"\x00" if item is None else item.value  # a missing key counts as 0
        total = add_numbers(stored, amount, self.name)
        self._set_all((key, total))
        return SharedAnswer(values=(total,))

    def _remove(self, item: Item) -> bytes:
        """Record that an item is no longer in ``_items``. Returns its value."""
        self.drop([item])
        if len(self._order) - len(self._items) > max(MOST_REMOVED, len(self._items)):
            self._order = list(self._items.values())
        return item.value

    def _read_page(self, cursor: int) -> SharedAnswer:
        """Return alternating keys and values that follow a cursor, and the next cursor, if any."""
        first = bisect_right(self._order, cursor, key=attrgetter("number"))
        present = (
            item for item in islice(self._order, first, None) if self._items.get(item.key) is item
        )
        page = take_page(present)
        pairs = [part for item in page for part in (item.key, item.value)]
        return SharedAnswer(values=tuple(pairs), numbers=tuple(item.number for item in page[-1:]))
