"""A shared dict: keys and values are opaque, and the order is that of insertion."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice

from headrace_coordinator.shared.ground import DONE, Ground, Item, SharedObject, tell
from headrace_coordinator.shared.numbers import add_numbers
from headrace_coordinator.shared.pages import take_page
from headrace_wire.shared import DICT, SharedAnswer, SharedCall

#: Places of items that are gone, beyond which the order is written anew.
MOST_HOLES = 1000


class SharedMapping(SharedObject):
    """A dict. ``_order`` has all items by their numbers, and some that are gone since."""

    kind = DICT

    def __init__(self, name: str, ground: Ground) -> None:
        super().__init__(name, ground)
        self._items: dict[bytes, Item] = {}
        self._order: list[Item] = []

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Iterable[Item]:
        return self._items.values()

    def restore(self, head: bytes, items: list[Item]) -> None:
        del head
        self._order = items
        self._items = {item.key: item for item in items}
        self.grow(sum(item.size_bytes for item in items))

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
            case "set_if", (key, *told):
                return self._set_if(call, key, told)
            case "pop", (key,):
                return self._take(self._items.get(key))
            case "popitem", ():
                self._fill_holes_at_end()
                last = self._order[-1] if self._items else None
                found = self._take(last)
                return found if last is None else SharedAnswer(values=(last.key, *found.values))
            case "add", (key, amount):
                return self._add(key, amount)
            case "clear", ():
                self.drop(self._items.values())
                self._items, self._order = {}, []
                return DONE
            case _:
                raise self.refuse(call)

    def _set_all(self, pairs: Sequence[bytes]) -> None:
        new = {pairs[place]: pairs[place + 1] for place in range(0, len(pairs), 2)}
        growths: list[tuple[Item, bytes, int]] = []
        for key, value in new.items():
            known = self._items.get(key)
            item = known or Item(0, value, key)
            growth = len(value) - len(known.value) if known else item.size_bytes
            growths.append((item, value, growth))
        self.ground.require(sum(growth for _, _, growth in growths))
        for item, value, growth in growths:
            item.value = value
            if item.key not in self._items:
                item.number = self.ground.next_number()
                self._items[item.key] = item
                self._order.append(item)
            self.keep(item, growth)

    def _set_if(self, call: SharedCall, key: bytes, told: Sequence[bytes]) -> SharedAnswer:
        """Set or drop a key that is as expected.

        The numbers say whether a value is expected, and whether there is a new one.
        """
        item = self._items.get(key)
        match call.numbers, told:
            case (0, 1), (value,):
                if item is None:
                    self._set_all((key, value))
                return tell(item is None)
            case (1, 1), (expected, value):
                same = item is not None and item.value == expected
                if same:
                    self._set_all((key, value))
                return tell(same)
            case (1, 0), (expected,):
                same = item is not None and item.value == expected
                if same:
                    self._take(item)
                return tell(same)
            case (0, 0), ():
                return tell(item is None)
            case _:
                raise self.refuse(call)

    def _add(self, key: bytes, amount: bytes) -> SharedAnswer:
        item = self._items.get(key)
        stored = b"\x00" if item is None else item.value  # a key that is not there counts as 0
        total = add_numbers(stored, amount, self.name)
        self._set_all((key, total))
        return SharedAnswer(values=(total,))

    def _take(self, item: Item | None) -> SharedAnswer:
        if item is None:
            return DONE
        del self._items[item.key]
        self.drop([item])
        if len(self._order) - len(self._items) > max(MOST_HOLES, len(self._items)):
            self._order = list(self._items.values())
        return SharedAnswer(values=(item.value,))

    def _fill_holes_at_end(self) -> None:
        while self._order and self._items.get(self._order[-1].key) is not self._order[-1]:
            self._order.pop()

    def _read_page(self, cursor: int) -> SharedAnswer:
        """Keys and values in turn past a cursor, and the next cursor; none when it is the end."""
        first = bisect_right(self._order, cursor, key=_number_of)
        there = (
            item for item in islice(self._order, first, None) if self._items.get(item.key) is item
        )
        page = take_page(there)
        pairs = [part for item in page for part in (item.key, item.value)]
        return SharedAnswer(
            values=tuple(pairs), numbers=tuple(_number_of(item) for item in page[-1:])
        )


def _number_of(item: Item) -> int:
    return item.number
