"""A shared queue, whose items are not lost with the consumers that took them.

    put ─► waiting ─► get ─► held by a consumer ─► confirm, or its next get ─► gone
              ▲──────────────── the consumer falls silent

After ``close``, a consumer is told that the queue is closed only when nothing waits and no other
consumer holds an item, because such an item may come back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from headrace_coordinator.shared.events import SharedItemHeld
from headrace_coordinator.shared.objects import (
    DONE,
    NOT_YET,
    Item,
    SharedContext,
    SharedObject,
    tell,
)
from headrace_wire.encoding import pack, unpack
from headrace_wire.messages.shared import QUEUE, SharedAnswer, SharedCall, SharedSpec, Stamp


class QueueObject(SharedObject):
    """A queue. ``maxsize`` limits the waiting items; items that are held do not count."""

    kind = QUEUE

    def __init__(self, name: str, context: SharedContext, owner: str = "") -> None:
        super().__init__(name, context, owner)
        self._maxsize = 0
        self._closed = False
        self._waiting: deque[Item] = deque()
        self._held: dict[int, Item] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def holders(self) -> Iterable[Stamp]:
        return [item.holder for item in self._held.values() if item.holder]

    def head(self) -> bytes:
        return pack([self._maxsize, self._closed])

    def begin(self, spec: SharedSpec) -> None:
        self._maxsize = max(0, spec.maxsize)
        self.keep_head()

    def restore(self, head: bytes, items: list[Item]) -> None:
        self._maxsize, self._closed = unpack(head)
        self._held = {item.number: item for item in items if item.holder}
        self._waiting = deque(item for item in items if not item.holder)

    def read(self, call: SharedCall) -> SharedAnswer:
        match call.operation:
            case "size":
                numbers = (len(self._waiting), len(self._held), self._maxsize, int(self._closed))
                return SharedAnswer(numbers=numbers)
            case "join":
                return NOT_YET if self._waiting or self._held else DONE
            case _:
                raise self.refuse(call)

    def change(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.values:
            case "put", (value,):
                return self._put(value)
            case "get", ():
                return self._get(call)
            case "confirm", ():
                self.confirm(call.stamp.session, call.numbers)
                return DONE
            case "close", ():
                if not self._closed:
                    self._closed = True
                    self.keep_head()
                return DONE
            case _:
                raise self.refuse(call)

    def confirm(self, session: str, numbers: Iterable[int]) -> None:
        done: list[Item] = []
        for number in numbers:
            item = self._held.get(number)
            if item and item.holder and item.holder.session == session:
                done.append(self._held.pop(number))
        self.drop(done)

    def release(self, is_released: Callable[[Stamp], bool]) -> None:
        back = [item for item in self._held.values() if item.holder and is_released(item.holder)]
        for item in back:
            del self._held[item.number]
            item.holder = None
            self.context.emit(SharedItemHeld(self.name, item.number, None))
        if back:  # to their old places, which their numbers determine
            together = sorted([*back, *self._waiting], key=lambda item: item.number)
            self._waiting = deque(together)

    def _put(self, value: bytes) -> SharedAnswer:
        if self._closed:
            return tell(yes=False)
        if 0 < self._maxsize <= len(self._waiting):
            return NOT_YET
        item = Item(0, value)
        self.require(item.size_bytes)
        item.number = self.context.next_number()
        self._waiting.append(item)
        self.keep(item, item.size_bytes)
        return tell(yes=True)

    def _get(self, call: SharedCall) -> SharedAnswer:
        """Return an item. The call's numbers are those of items that are finished."""
        self.confirm(call.stamp.session, call.numbers)
        if self._waiting:
            item = self._waiting.popleft()
            item.holder = call.stamp
            self._held[item.number] = item
            self.context.emit(SharedItemHeld(self.name, item.number, call.stamp))
            return answer_with(item)
        return DONE if self._closed and not self._held else NOT_YET


def answer_with(item: Item) -> SharedAnswer:
    """Return the answer to the request that received an item."""
    return SharedAnswer(values=(item.value,), numbers=(item.number,))
