"""A shared list."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from headrace_coordinator.shared.objects import (
    DONE,
    PAGE_ITEMS,
    Item,
    SharedContext,
    SharedObject,
    take_page,
    tell,
)
from headrace_wire.errors import UsageError
from headrace_wire.messages.shared import LIST, SharedAnswer, SharedCall, read_slice

#: How many items a list may gain at once when it is repeated, because everybody waits for that.
MAX_REPEATED = 1 << 20

#: An index within a new order, as clients pack it.
PLACE = struct.Struct("<I")

#: The distance between the numbers of neighbours after all items have been renumbered.
GAP = 1 << 20


class ListObject(SharedObject):
    """A list. An item's number in the store lies between those of its neighbours."""

    kind = LIST

    def __init__(self, name: str, context: SharedContext, owner: str = "") -> None:
        super().__init__(name, context, owner)
        self._items: list[Item] = []
        #: A different number after each change.
        self._version = context.next_number()

    def __len__(self) -> int:
        return len(self._items)

    def restore(self, head: bytes, items: list[Item]) -> None:
        del head
        self._items = items

    def read(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.numbers:
            case "len", ():
                return SharedAnswer(numbers=(len(self),))
            case "get", (index,):
                item = self._find(index)
                return SharedAnswer(values=() if item is None else (item.value,))
            case "page", (start, stop) if start >= 0:
                return self._show(self._items[start : min(stop, start + PAGE_ITEMS)])
            case "slice", (_, _, _, _):
                chosen = self._items[read_slice(call.numbers)]
                return self._show(chosen, len(chosen))
            case _:
                raise self.refuse(call)

    def _show(self, items: list[Item], *numbers: int) -> SharedAnswer:
        """Return as many items as fit into one answer, the numbers, and the version."""
        values = tuple(item.value for item in take_page(items))
        return SharedAnswer(values=values, numbers=(*numbers, self._version))

    def change(self, call: SharedCall) -> SharedAnswer:
        answer = self._change(call)
        self._version = self.context.next_number()
        return answer

    def _change(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.numbers, call.values:
            case "append", (), values:
                self._insert(len(self), values)
                return DONE
            case "insert", (index,), (value,):
                place = index + len(self) if index < 0 else index
                self._insert(min(max(place, 0), len(self)), (value,))
                return DONE
            case "set", (index,), (value,):
                return self._set(index, value)
            case "pop", (index,), ():
                return self._pop(index)
            case "pop", (index,), (expected,):
                return self._pop_expected(index, expected)
            case "add", (index,), (amount,):
                item = self._find(index)
                return DONE if item is None else self.add_to(item, amount)
            case "clear", (), ():
                return self._clear()
            case "splice", (_, _, _, _), values:
                return self._splice(read_slice(call.numbers), values)
            case "cut", (_, _, _, _), ():
                return self._cut(read_slice(call.numbers))
            case "reverse", (), ():
                self._arrange(range(len(self) - 1, -1, -1))
                return DONE
            case "reorder", (version,), (packed,):
                return self._reorder(call, version, packed)
            case "repeat", (times,), ():
                return self._repeat(times)
            case _:
                raise self.refuse(call)

    def _set(self, index: int, value: bytes) -> SharedAnswer:
        item = self._find(index)
        if item is not None:
            self.replace(item, value)
        return tell(item is not None)

    def _pop(self, index: int) -> SharedAnswer:
        """Remove an item. The answer is its value, or if there is none, the length."""
        item = self._find(index)
        if item is None:
            return SharedAnswer(numbers=(len(self),))
        self.drop([self._items.pop(index)])
        return SharedAnswer(values=(item.value,))

    def _pop_expected(self, index: int, expected: bytes) -> SharedAnswer:
        """Remove an item if it has the expected value."""
        item = self._find(index)
        same = item is not None and item.value == expected
        if same:
            self.drop([self._items.pop(index)])
        return tell(same)

    def _cut(self, chosen: slice) -> SharedAnswer:
        self.drop(self._items[chosen])
        del self._items[chosen]
        return DONE

    def _splice(self, chosen: slice, values: tuple[bytes, ...]) -> SharedAnswer:
        """Replace a slice by values.

        If an extended slice needs another number of values, the answer is 0 and that number.
        """
        places = range(len(self))[chosen]
        if places.step != 1:
            items = [self._items[place] for place in places]
            if len(items) != len(values):
                return SharedAnswer(numbers=(0, len(items)))
            pairs = list(zip(items, values, strict=True))
            self.require(sum(len(value) - len(item.value) for item, value in pairs))
            for item, value in pairs:
                self.overwrite(item, value)
            return tell(yes=True)
        gone = self._items[places.start : places.stop]
        new_bytes = sum(Item(0, value).size_bytes for value in values)
        self.require(new_bytes - sum(item.size_bytes for item in gone))
        del self._items[places.start : places.start + len(gone)]
        self.drop(gone)
        if values:
            self._insert(places.start, values)
        return tell(yes=True)

    def _reorder(self, call: SharedCall, version: int, packed: bytes) -> SharedAnswer:
        """Put the values into an order, if it is for the present version of the list."""
        if version != self._version:
            return tell(yes=False)
        order = [place for (place,) in PLACE.iter_unpack(packed)]
        if sorted(order) != list(range(len(self))):
            raise self.refuse(call)
        self._arrange(order)
        return tell(yes=True)

    def _arrange(self, order: Iterable[int]) -> None:
        """Put the values into another order. The numbers of the items stay in place."""
        values = [self._items[place].value for place in order]
        for item, value in zip(self._items, values, strict=True):
            if item.value != value:
                self.overwrite(item, value)

    def _clear(self) -> SharedAnswer:
        self.drop(self._items)
        self._items = []
        return DONE

    def _repeat(self, times: int) -> SharedAnswer:
        if times < 1:
            return self._clear()
        if (times - 1) * len(self) > MAX_REPEATED:
            raise UsageError(
                f"the list {self.name!r} would grow by {(times - 1) * len(self):,} items at once, "
                f"and {MAX_REPEATED:,} are the most: extend it step by step"
            )
        self.require((times - 1) * sum(item.size_bytes for item in self._items))
        self._insert(len(self), tuple(item.value for item in self._items) * (times - 1))
        return DONE

    def _find(self, index: int) -> Item | None:
        return self._items[index] if -len(self) <= index < len(self) else None

    def _insert(self, place: int, values: tuple[bytes, ...]) -> None:
        items = [Item(0, value) for value in values]
        self.require(sum(item.size_bytes for item in items))
        if place == len(self):
            for item in items:
                item.number = self.context.next_number()
        elif place == 0:
            first = self._items[0].number
            for back, item in enumerate(reversed(items), 1):
                item.number = first - GAP * back
        else:
            self._number_between(place, items)
        self._items[place:place] = items
        for item in items:
            self.keep(item, item.size_bytes)

    def _number_between(self, place: int, items: list[Item]) -> None:
        before, after = self._items[place - 1].number, self._items[place].number
        if after - before <= len(items):
            self._spread()
            before, after = self._items[place - 1].number, self._items[place].number
        step = (after - before) // (len(items) + 1)
        for count, item in enumerate(items, 1):
            item.number = before + step * count

    def _spread(self) -> None:
        """Renumber all items, with gaps between them."""
        self.drop(self._items)
        # Backwards from a new number, so that all of them are below those that come later.
        last = self.context.next_number()
        for place, item in enumerate(self._items):
            item.number = last - GAP * (len(self) - 1 - place)
            self.keep(item, item.size_bytes)
