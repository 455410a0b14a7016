"""What shared state tells the store and the calls that wait. All of these are to be stored."""

from __future__ import annotations

from msgspec import Struct

from headrace_wire.shared import SharedAnswer, Stamp


class SharedKept(Struct, frozen=True):
    """An object is there; ``head`` is what it knows beside its items."""

    name: str
    kind: str
    head: bytes


class SharedItemKept(Struct, frozen=True):
    """An object has this item, in place of what had its number."""

    name: str
    number: int
    key: bytes
    value: bytes


class SharedItemHeld(Struct, frozen=True):
    """A queue's item is with a consumer, or, without a holder, waits again."""

    name: str
    number: int
    holder: Stamp | None


class SharedItemsDropped(Struct, frozen=True):
    """An object has these items no more."""

    name: str
    numbers: tuple[int, ...]


class SharedDeleted(Struct, frozen=True):
    """An object is gone, with its items."""

    name: str


class SharedAnswered(Struct, frozen=True):
    """A request got this answer; its lane's earlier one is needed no more."""

    stamp: Stamp
    answer: SharedAnswer


class SharedSessionGone(Struct, frozen=True):
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
