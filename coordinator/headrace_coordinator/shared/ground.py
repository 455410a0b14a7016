"""What all shared objects stand on: room to grow, numbers for items, and somebody to tell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

from msgspec import Struct

from headrace_coordinator.shared.events import (
    SharedItemKept,
    SharedItemsDropped,
    SharedKept,
    SharedStateEvent,
)
from headrace_wire.errors import ProtocolError, SharedFullError
from headrace_wire.shared import SharedAnswer, SharedCall, Stamp

#: Bytes that an item takes beside its key and value, about.
ITEM_BYTES = 100

#: Numbers in one second of the coordinator's own time: those of items begin there, so that none is
#: given out twice, whatever was dropped and whenever the coordinator was restarted.
NUMBERS_PER_SECOND = 1 << 20


class Item(Struct):
    """What an object keeps: a value, and a key where it has keys. Numbers tell the order."""

    number: int
    value: bytes
    key: bytes = b""
    holder: Stamp | None = None

    @property
    def size_bytes(self) -> int:
        return ITEM_BYTES + len(self.key) + len(self.value)


class Ground:
    """Counts bytes and numbers for all objects together."""

    def __init__(
        self, emit: Callable[[SharedStateEvent], None], limit_bytes: int | None = None
    ) -> None:
        self.emit = emit
        self.size_bytes = 0
        self.limit_bytes = limit_bytes
        self._last_number = 0

    def see_time(self, monotonic: float) -> None:
        """Begin numbers no lower than this moment's."""
        self._last_number = max(self._last_number, int(monotonic * NUMBERS_PER_SECOND))

    def see_number(self, number: int) -> None:
        """Begin numbers above one that is in use."""
        self._last_number = max(self._last_number, number)

    def next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def require(self, growth_bytes: int) -> None:
        """Raise SharedFullError when there is no room for so much more."""
        limit = self.limit_bytes
        if limit is not None and growth_bytes > 0 and self.size_bytes + growth_bytes > limit:
            raise SharedFullError(
                f"the coordinator's shared state is full ({self.size_bytes} of {limit} bytes, and "
                f"{growth_bytes} more were to come): delete what is not needed any more "
                "(`headrace shared delete NAME`), or raise --shared-limit"
            )


class SharedObject(ABC):
    """One named object. What an operation refuses it refuses before it changes anything."""

    kind: ClassVar[str]

    def __init__(self, name: str, ground: Ground) -> None:
        self.name = name
        self.ground = ground
        self.size_bytes = 0
        self.grow(measure_empty(name))

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, call: SharedCall) -> SharedAnswer:
        """Answer without changing anything."""

    @abstractmethod
    def change(self, call: SharedCall) -> SharedAnswer:
        """Change and answer; an answer that is not ``done`` has changed nothing."""

    def head(self) -> bytes:
        """What there is to know beside the items."""
        return b""

    @abstractmethod
    def restore(self, head: bytes, items: list[Item]) -> None:
        """Take back what the store has, items in the order of their numbers."""

    @abstractmethod
    def items(self) -> Iterable[Item]:
        """Everything that it keeps, in order."""

    def holders(self) -> Iterable[Stamp]:
        """The requests by which something of this is held."""
        return ()

    def holds(self, session: str) -> bool:
        """Tell whether a session holds anything of this."""
        return any(holder.session == session for holder in self.holders())

    @property
    def empty_bytes(self) -> int:
        """Bytes that it takes without its items."""
        return measure_empty(self.name)

    def let_go(self, holder: Callable[[Stamp], bool]) -> None:
        """Free what those hold of whom ``holder`` is true."""
        del holder

    def confirm(self, session: str, numbers: Iterable[int]) -> None:
        """Take note that a session is done with these items."""
        del session, numbers

    def keep_head(self) -> None:
        self.ground.emit(SharedKept(self.name, self.kind, self.head()))

    def keep(self, item: Item, growth_bytes: int) -> None:
        """Store an item that is new or has changed; there must be room for it."""
        self.grow(growth_bytes)
        self.ground.emit(SharedItemKept(self.name, item.number, item.key, item.value))

    def drop(self, items: Iterable[Item]) -> None:
        """Take items out of the store."""
        gone = list(items)
        if gone:
            self.grow(-sum(item.size_bytes for item in gone))
            numbers = tuple(item.number for item in gone)
            self.ground.emit(SharedItemsDropped(self.name, numbers))

    def grow(self, growth_bytes: int) -> None:
        self.size_bytes += growth_bytes
        self.ground.size_bytes += growth_bytes

    def refuse(self, call: SharedCall) -> ProtocolError:
        """What to raise for an operation that there is not."""
        return ProtocolError(f"a {self.kind} cannot {call.operation!r} with these arguments")


def measure_empty(name: str) -> int:
    """Bytes that an object takes without its items."""
    return ITEM_BYTES + len(name)


#: The answer to what cannot be done yet.
NOT_YET = SharedAnswer(done=False)

#: The answer to what needs no more words.
DONE = SharedAnswer()


def tell(yes: bool) -> SharedAnswer:
    """The answer to a question, as 1 or 0."""
    return SharedAnswer(numbers=(int(yes),))
