"""The events of shared state, for the store and waiting calls. All of them are stored."""

from __future__ import annotations

from msgspec import Struct

from headrace_wire.messages.shared import SharedAnswer, Stamp


class SharedKept(Struct, frozen=True):
    """An object exists. ``head`` is what is stored of it in addition to its items, and ``owner``
    the name of the key with which it was opened.
    """

    name: str
    kind: str
    head: bytes
    owner: str


class SharedItemKept(Struct, frozen=True):
    """An object has this item, which replaces the one that had its number."""

    name: str
    number: int
    key: bytes
    value: bytes


class SharedItemHeld(Struct, frozen=True):
    """A consumer holds an item of a queue. Without a holder, it waits again."""

    name: str
    number: int
    holder: Stamp | None


class SharedItemsDropped(Struct, frozen=True):
    """These items of an object have been removed."""

    name: str
    numbers: tuple[int, ...]


class SharedDeleted(Struct, frozen=True):
    """An object has been deleted, with its items."""

    name: str


class SharedAnswered(Struct, frozen=True):
    """A request got this answer. The previous one of its lane is no longer needed."""

    stamp: Stamp
    answer: SharedAnswer


class SharedSessionGone(Struct, frozen=True):
    """A session's answers are no longer needed."""

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
