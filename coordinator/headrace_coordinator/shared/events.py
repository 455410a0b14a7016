"""What shared state tells the store and the calls that wait. All of these are to be stored."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_wire.shared import SharedAnswer, Stamp


@dataclass(frozen=True, slots=True)
class SharedKept:
    """An object is there; ``head`` is what it knows beside its items."""

    name: str
    kind: str
    head: bytes


@dataclass(frozen=True, slots=True)
class SharedItemKept:
    """An object has this item, in place of what had its number."""

    name: str
    number: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class SharedItemHeld:
    """A queue's item is with a consumer, or, without a holder, waits again."""

    name: str
    number: int
    holder: Stamp | None


@dataclass(frozen=True, slots=True)
class SharedItemsDropped:
    """An object has these items no more."""

    name: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SharedDeleted:
    """An object is gone, with its items."""

    name: str


@dataclass(frozen=True, slots=True)
class SharedAnswered:
    """A request got this answer; its lane's earlier one is needed no more."""

    stamp: Stamp
    answer: SharedAnswer


@dataclass(frozen=True, slots=True)
class SharedSessionGone:
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
