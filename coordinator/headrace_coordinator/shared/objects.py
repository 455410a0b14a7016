"""The common parts of all shared objects: the base class, items, and the memory limit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import ClassVar

from msgspec import Struct

from headrace_coordinator.shared import events
from headrace_coordinator.shared.events import SharedStateEvent
from headrace_coordinator.shares import share_of
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import ProtocolError, SharedFullError, UsageError
from headrace_wire.messages.shared import SharedAnswer, SharedCall, SharedSpec, Stamp
from headrace_wire.words import add_article

#: The approximate size of an item in addition to its key and value, in bytes.
ITEM_BYTES = 100

#: How many numbers belong to one second of the coordinator's own time. Items are numbered from the
#: first number of the present second on, so that no number is used twice, even after items were
#: removed or the coordinator was restarted.
NUMBERS_PER_SECOND = 1 << 20

#: The maximum number of items, and bytes, in one page. A single item may be larger.
PAGE_ITEMS = 5000
PAGE_BYTES = 4 << 20

#: The size of the longest number in msgpack, in bytes.
NUMBER_BYTES = 9

#: The answer to a request that cannot be carried out yet.
NOT_YET = SharedAnswer(done=False)

#: The answer to a request that was carried out and returns nothing.
DONE = SharedAnswer()


class Item(Struct):
    """A value in an object, with its key if it has one. The numbers determine the order."""

    number: int
    value: bytes
    key: bytes = b""
    holder: Stamp | None = None

    @property
    def size_bytes(self) -> int:
        return ITEM_BYTES + len(self.key) + len(self.value)


class SharedContext:
    """What all objects use: the event listener, the bytes in use and their limit, and item
    numbers.
    """

    def __init__(
        self, emit: Callable[[SharedStateEvent], None], limit_bytes: int | None = None
    ) -> None:
        self._emit = emit
        #: The number of changes.
        self.changes = 0
        self.size_bytes = 0
        #: How many of these bytes belong to objects of each key, and to answers for it.
        self.size_by_key: Counter[str] = Counter()
        self.limit_bytes = limit_bytes
        #: Called if there is no room for this many bytes, of one key or, with None, of all; it may
        #: free some.
        self.relieve: Callable[[int, str | None], None] | None = None
        #: The monotonic time of the present transition.
        self.now = 0.0
        self._last_number = 0

    def emit(self, event: SharedStateEvent) -> None:
        """Emit an event, and count the change."""
        self.changes += 1
        self._emit(event)

    def see_time(self, monotonic: float) -> None:
        """Set the time of a transition. The next numbers are not below that time's."""
        self.now = monotonic
        self.see_number(int(monotonic * NUMBERS_PER_SECOND))

    def see_number(self, number: int) -> None:
        """Let the next numbers be above this one."""
        self._last_number = max(self._last_number, number)

    def next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def count(self, growth_bytes: int, key: str) -> None:
        """Count how many bytes more, or less, a key has than before."""
        self.size_bytes += growth_bytes
        self.size_by_key[key] += growth_bytes
        if not self.size_by_key[key]:
            del self.size_by_key[key]

    def require(self, growth_bytes: int, key: str = "") -> None:
        """Raise SharedFullError unless this growth stays within the limit, and within the key's
        share of it.
        """
        limit = self.limit_bytes
        if limit is None or growth_bytes <= 0:
            return
        most = share_of(limit, key)
        if self.relieve and (too_many := self.size_by_key[key] + growth_bytes - most) > 0:
            self.relieve(too_many, key)
        if most < limit and self.size_by_key[key] + growth_bytes > most:
            raise SharedFullError(
                f"the shared objects of the key {key!r} take {self.size_by_key[key]} bytes, and "
                f"{growth_bytes} more were to come: {most} of the {limit} bytes of shared state "
                "are the most for one key; delete what is not needed any more "
                "(`headrace shared delete NAME`), or raise --shared-limit"
            )
        if self.relieve and self.size_bytes + growth_bytes > limit:
            self.relieve(self.size_bytes + growth_bytes - limit, None)
        if self.size_bytes + growth_bytes > limit:
            raise SharedFullError(
                f"the coordinator's shared state is full ({self.size_bytes} of {limit} bytes, and "
                f"{growth_bytes} more were to come): delete what is not needed any more "
                "(`headrace shared delete NAME`), or raise --shared-limit"
            )


class SharedObject(ABC):
    """One named object. An operation that it refuses has not changed anything.

    ``owner`` names the key with which it was opened, to which its bytes are charged.
    """

    kind: ClassVar[str]

    def __init__(self, name: str, context: SharedContext, owner: str = "") -> None:
        self.name = name
        self.context = context
        self.owner = owner
        self.size_bytes = 0
        self.grow(measure_empty(name))

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, call: SharedCall) -> SharedAnswer:
        """Answer without changing anything."""

    @abstractmethod
    def change(self, call: SharedCall) -> SharedAnswer:
        """Change and answer. An answer that is not ``done`` means that nothing has changed."""

    @abstractmethod
    def restore(self, head: bytes, items: list[Item]) -> None:
        """Restore what was stored, with the items in the order of their numbers."""

    def begin(self, spec: SharedSpec) -> None:
        """Store the new object, as its specification describes it."""
        del spec
        self.keep_head()

    def head(self) -> bytes:
        """Return what is to be stored of the object in addition to its items."""
        return b""

    def holders(self) -> Iterable[Stamp]:
        """Return the requests by which the lock, or items of the queue, are held."""
        return ()

    def holds(self, session: str) -> bool:
        """Return whether a session holds this lock, or any item of this queue."""
        return any(holder.session == session for holder in self.holders())

    def release(self, is_released: Callable[[Stamp], bool]) -> None:
        """Take back what is held by the requests for which ``is_released`` is true."""
        del is_released

    def confirm(self, session: str, numbers: Iterable[int]) -> None:
        """Remove items that a session has finished."""
        del session, numbers

    def keep_head(self) -> None:
        self.context.emit(events.SharedKept(self.name, self.kind, self.head(), self.owner))

    def keep(self, item: Item, growth_bytes: int) -> None:
        """Store an item that is new or has changed. ``require`` has been called for its growth."""
        self.grow(growth_bytes)
        self.context.emit(events.SharedItemKept(self.name, item.number, item.key, item.value))

    def replace(self, item: Item, value: bytes) -> None:
        """Give an item another value. Raises SharedFullError."""
        self.require(len(value) - len(item.value))
        self.overwrite(item, value)

    def add_to(self, item: Item, amount: bytes) -> SharedAnswer:
        """Add to an item that is a number. Raises UsageError and SharedFullError."""
        total = add_numbers(item.value, amount, self.name)
        self.replace(item, total)
        return SharedAnswer(values=(total,))

    def overwrite(self, item: Item, value: bytes) -> None:
        """Do the same, after ``require`` has been called for the growth."""
        growth = len(value) - len(item.value)
        item.value = value
        self.keep(item, growth)

    def drop(self, items: Iterable[Item]) -> None:
        """Remove items from the store."""
        gone = list(items)
        if gone:
            self.grow(-sum(item.size_bytes for item in gone))
            numbers = tuple(item.number for item in gone)
            self.context.emit(events.SharedItemsDropped(self.name, numbers))

    def require(self, growth_bytes: int) -> None:
        """Raise SharedFullError unless there is room for this growth."""
        self.context.require(growth_bytes, self.owner)

    def grow(self, growth_bytes: int) -> None:
        self.size_bytes += growth_bytes
        self.context.count(growth_bytes, self.owner)

    def refuse(self, call: SharedCall) -> ProtocolError:
        """Return the error for an operation that does not exist."""
        kind = add_article(self.kind)
        return ProtocolError(f"{kind} cannot {call.operation!r} with these arguments")


def measure_empty(name: str) -> int:
    """Return the size of an object without its items, in bytes."""
    return ITEM_BYTES + len(name)


def tell(yes: bool) -> SharedAnswer:
    """Return the answer to a question, as 1 or 0."""
    return SharedAnswer(numbers=(int(yes),))


def take_page(items: Iterable[Item]) -> list[Item]:
    """Return the first items, as many as fit into a page, and at least one if there is one."""
    page: list[Item] = []
    size_bytes = 0
    for item in items:
        size_bytes += item.size_bytes
        if page and (size_bytes > PAGE_BYTES or len(page) == PAGE_ITEMS):
            break
        page.append(item)
    return page


def add_numbers(stored: bytes, amount: bytes, name: str) -> bytes:
    """Return the sum of two packed numbers, packed. Raises UsageError for anything else.

    This is the only case in which the coordinator decodes a shared value.
    """
    total = _read_number(stored, name) + _read_number(amount, name)
    try:
        return pack(total)
    except OverflowError:
        raise UsageError(
            f"{name!r} would grow beyond the 64 bits that the coordinator can add to: use a float, "
            "or a lock around reading and writing"
        ) from None


def _read_number(packed: bytes, name: str) -> int | float:
    found: object = None
    if 0 < len(packed) <= NUMBER_BYTES:
        with suppress(ValueError):
            found = unpack(packed)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise UsageError(f"{name!r}: only an int of up to 64 bits or a float can be added to")
    return found
