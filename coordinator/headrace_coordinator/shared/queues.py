"""A shared queue, whose items are not lost with those who took them.

    put ─► waiting ─► get ─► held by a consumer ─► confirm, or its next get ─► gone
              ▲──────────────── the consumer falls silent

After ``close`` a consumer is told so as soon as nothing waits and nothing is held by others: what
they hold may come back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from headrace_coordinator.shared.events import SharedItemHeld
from headrace_coordinator.shared.ground import DONE, NOT_YET, Ground, Item, SharedObject, tell
from headrace_wire.encoding import pack, unpack
from headrace_wire.shared import QUEUE, SharedAnswer, SharedCall, Stamp


class SharedLine(SharedObject):
    """A queue. ``maxsize`` bounds what waits; what is held does not count."""

    kind = QUEUE

    def __init__(self, name: str, ground: Ground, maxsize: int = 0) -> None:
        super().__init__(name, ground)
        self._maxsize = maxsize
        self._closed = False
        self._waiting: deque[Item] = deque()
        self._held: dict[int, Item] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def items(self) -> Iterable[Item]:
        return [*self._held.values(), *self._waiting]

    def holders(self) -> Iterable[Stamp]:
        return [item.holder for item in self._held.values() if item.holder]

    def head(self) -> bytes:
        return pack([self._maxsize, self._closed])

    def restore(self, head: bytes, items: list[Item]) -> None:
        self._maxsize, self._closed = unpack(head)
        for item in items:
            if item.holder is None:
                self._waiting.append(item)
            else:
                self._held[item.number] = item
        self.grow(sum(item.size_bytes for item in items))

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
        done = [self._held[number] for number in numbers if number in self._held]
        done = [item for item in done if item.holder and item.holder.session == session]
        for item in done:
            del self._held[item.number]
        self.drop(done)

    def let_go(self, holder: Callable[[Stamp], bool]) -> None:
        back = [item for item in self._held.values() if item.holder and holder(item.holder)]
        for item in back:
            del self._held[item.number]
            item.holder = None
            self.ground.emit(SharedItemHeld(self.name, item.number, None))
        if back:  # in their old places: numbers tell the order
            together = sorted([*back, *self._waiting], key=lambda item: item.number)
            self._waiting = deque(together)

    def _put(self, value: bytes) -> SharedAnswer:
        if self._closed:
            return tell(yes=False)
        if 0 < self._maxsize <= len(self._waiting):
            return NOT_YET
        item = Item(0, value)
        self.ground.require(item.size_bytes)
        item.number = self.ground.next_number()
        self._waiting.append(item)
        self.keep(item, item.size_bytes)
        return tell(yes=True)

    def _get(self, call: SharedCall) -> SharedAnswer:
        """Hand out an item; the numbers are those of items that the consumer is done with."""
        self.confirm(call.stamp.session, call.numbers)
        if self._waiting:
            item = self._waiting.popleft()
            item.holder = call.stamp
            self._held[item.number] = item
            self.ground.emit(SharedItemHeld(self.name, item.number, call.stamp))
            return make_handed(item)
        return DONE if self._closed and not self._held else NOT_YET


def make_handed(item: Item) -> SharedAnswer:
    """The answer to the request that an item was handed out for."""
    return SharedAnswer(values=(item.value,), numbers=(item.number,))
