"""A shared value: one thing under a name."""

from __future__ import annotations

from headrace_coordinator.shared.ground import DONE, Ground, Item, SharedObject, tell
from headrace_coordinator.shared.numbers import add_numbers
from headrace_wire.shared import VALUE, SharedAnswer, SharedCall


class Value(SharedObject):
    """One value, which is never absent."""

    kind = VALUE

    def __init__(self, name: str, ground: Ground) -> None:
        super().__init__(name, ground)
        self._item = Item(0, b"")

    def __len__(self) -> int:
        return 1

    def items(self) -> list[Item]:
        return [self._item]

    def begin(self, value: bytes) -> None:
        """Take in the first value, for which there is room."""
        self._item = Item(0, value)
        self.keep(self._item, self._item.size_bytes)

    def restore(self, head: bytes, items: list[Item]) -> None:
        del head
        (self._item,) = items
        self.grow(self._item.size_bytes)

    def read(self, call: SharedCall) -> SharedAnswer:
        match call.operation:
            case "get":
                return SharedAnswer(values=(self._item.value,))
            case _:
                raise self.refuse(call)

    def change(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.values:
            case "set", (value,):
                self._set(value)
                return DONE
            case "set_if", (expected, value):
                same = self._item.value == expected
                if same:
                    self._set(value)
                return tell(same)
            case "add", (amount,):
                total = add_numbers(self._item.value, amount, self.name)
                self._set(total)
                return SharedAnswer(values=(total,))
            case _:
                raise self.refuse(call)

    def _set(self, value: bytes) -> None:
        growth = len(value) - len(self._item.value)
        self.ground.require(growth)
        self._item.value = value
        self.keep(self._item, growth)
