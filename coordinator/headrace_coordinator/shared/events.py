"""What shared state tells the store and the calls that wait. All of these are to be stored."""

from __future__ import annotations

from headrace_wire.record import Record
from headrace_wire.shared import SharedAnswer, Stamp


class SharedKept(Record):
    """An object is there; ``head`` is what it knows beside its items."""

    name: str
    kind: str
    head: bytes


class SharedItemKept(Record):
    """An object has this item, in place of what had its number."""

    name: str
    number: int
    key: bytes
    value: bytes


class SharedItemHeld(Record):
    """A queue's item is with a consumer, or, without a holder, waits again."""

    name: str
    number: int
    holder: Stamp | None


class SharedItemsDropped(Record):
    """An object has these items no more."""

    name: str
    numbers: tuple[int, ...]


class SharedDeleted(Record):
    """An object is gone, with its items."""

    name: str


class SharedAnswered(Record):
    """A request got this answer; its lane's earlier one is needed no more."""

    stamp: Stamp
    answer: SharedAnswer


class SharedSessionGone(Record):
    """A session's answers are needed no more."""

    session: str


SharedStateEvent = (
    SharedKept
    | SharedItemKept
    | SharedItemHeld
    | SharedItemsDropped
    | SharedDeleted
    | SharedAnswered
    | SharedSessionGone
)
