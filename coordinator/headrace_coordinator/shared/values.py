"""A shared value: one thing under a name."""

from __future__ import annotations

from headrace_coordinator.shared.objects import (
    DONE,
    Item,
    SharedContext,
    SharedObject,
    tell,
)
from headrace_wire.messages.shared import VALUE, SharedAnswer, SharedCall, SharedSpec


class ValueObject(SharedObject):
    """One value, which is never absent."""

    kind = VALUE

    def __init__(self, name: str, context: SharedContext, owner: str = "") -> None:
        super().__init__(name, context, owner)
        self._item = Item(0, b"")

    def __len__(self) -> int:
        return 1

    def begin(self, spec: SharedSpec) -> None:
        self.keep_head()
        self._item.value = spec.initial
        self.keep(self._item, self._item.size_bytes)

    def restore(self, head: bytes, items: list[Item]) -> None:
        del head
        (self._item,) = items

    def read(self, call: SharedCall) -> SharedAnswer:
        if call.operation != "get":
            raise self.refuse(call)
        return SharedAnswer(values=(self._item.value,))

    def change(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.values:
            case "set", (value,):
                self.replace(self._item, value)
                return DONE
            case "set_if", (expected, value):
                same = self._item.value == expected
                if same:
                    self.replace(self._item, value)
                return tell(same)
            case "add", (amount,):
                return self.add_to(self._item, amount)
            case _:
                raise self.refuse(call)
