"""Messages about shared state: named values, lists, dicts, locks, events and queues.

Contents are opaque bytes to the coordinator, encoded and decoded by its clients. The only exception
are numbers to which something is added.
"""

from __future__ import annotations

import operator
from typing import Annotated

from msgspec import Meta

from headrace_wire.bounds import (
    Count,
    Identifier,
    Name,
    Number,
    OptionalIdentifier,
    Payload,
    Seconds,
)
from headrace_wire.errors import ProtocolError
from headrace_wire.message import Message
from headrace_wire.messages.spans import Entries

#: Kinds of shared objects.
VALUE, LIST, DICT, LOCK, EVENT, QUEUE = "value", "list", "dict", "lock", "event", "queue"
KINDS = (VALUE, LIST, DICT, LOCK, EVENT, QUEUE)

#: Beyond the end of any list.
_FAR = 1 << 62

#: Keys and values of one call.
SharedValues = Annotated[tuple[Payload, ...], Meta(max_length=1 << 20)]


def write_slice(chosen: slice) -> tuple[int, ...]:
    """Encode a slice of a list as four numbers: which parts are given, and the parts.

    Parts that are beyond any list are limited to 62 bits. Raises TypeError for parts that are not
    integers, and ValueError for a step of 0.
    """
    [][chosen]  # raises the errors of a list
    given = 0
    numbers: list[int] = []
    for place, part in enumerate((chosen.start, chosen.stop, chosen.step)):
        number = 0
        if part is not None:
            given |= 1 << place
            number = min(max(operator.index(part), -_FAR), _FAR)
        numbers.append(number)
    return given, *numbers


def read_slice(numbers: tuple[int, ...]) -> slice:
    """Return the slice that ``write_slice`` encoded. Raises ProtocolError for invalid numbers."""
    given, *parts = numbers
    start, stop, step = (part if given >> place & 1 else None for place, part in enumerate(parts))
    if step == 0:
        raise ProtocolError("a slice has a step of 0")
    return slice(start, stop, step)


class Stamp(Message):
    """Identifies a request: a repeated request gets the same answer.

    A ``session`` is one process. In one ``lane``, it has one pending request at a time, and their
    numbers increase.
    """

    session: OptionalIdentifier
    lane: Count
    number: Count


class SharedSpec(Message):
    """A shared object, to be made if there is none with this name.

    ``initial`` is the first content of a value, and ``maxsize`` limits a queue; 0 for no limit.
    """

    name: Name
    kind: OptionalIdentifier
    initial: Payload = b""
    maxsize: Number = 0


class SharedCall(Message):
    """One operation on a shared object; ``headrace_coordinator.shared`` lists the operations.

    If it cannot be carried out yet, it waits for up to ``wait_seconds``.
    """

    stamp: Stamp
    name: Name
    kind: OptionalIdentifier
    operation: Identifier
    values: SharedValues = ()
    numbers: Annotated[tuple[Number, ...], Entries] = ()
    wait_seconds: Seconds = 0.0


class SharedAnswer(Message):
    """The result of an operation. If not ``done``, it could not be carried out, and nothing has
    changed.

    The only exception is ``get`` of a queue: the items that its consumer has finished are removed
    in any case.
    """

    done: bool = True
    values: SharedValues = ()
    numbers: Annotated[tuple[Number, ...], Entries] = ()


class SharedReceipt(Message):
    """An item that a queue handed out."""

    name: Name
    number: Count


class SharedBeat(Message):
    """Reports that a session is alive.

    Nobody waits any more for the answers to ``abandoned`` requests, so what they received is given
    back. ``confirmed`` items are finished.
    """

    session: Identifier
    abandoned: Annotated[tuple[Stamp, ...], Entries] = ()
    confirmed: Annotated[tuple[SharedReceipt, ...], Entries] = ()


class SharedOrders(Message):
    """The answer to a SharedBeat: how long a session may be silent before it loses all."""

    lease_seconds: Seconds


class SharedStatus(Message):
    """The state of a shared object. ``items`` is the number of entries; for a lock, 1 while it is
    held.
    """

    name: Name
    kind: Identifier
    items: Count
    size_bytes: Count
    waiting: Count
