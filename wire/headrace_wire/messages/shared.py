"""Messages about shared state: named values, lists, dicts, locks, events and queues.

Contents are opaque bytes to the coordinator, encoded and decoded by its clients; numbers that
something is added to are the one exception.
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
    """A slice of a list as four numbers: which parts are given, and the parts.

    Parts that are beyond any list come within 62 bits. Raises TypeError for parts that are no
    integers, and ValueError for a step of 0.
    """
    [][chosen]  # raises what a list does
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
    """The slice that ``write_slice`` wrote. Raises ProtocolError for numbers that are none."""
    given, *parts = numbers
    start, stop, step = (part if given >> place & 1 else None for place, part in enumerate(parts))
    if step == 0:
        raise ProtocolError("a slice has a step of 0")
    return slice(start, stop, step)


class Stamp(Message):
    """Who asks, and which of its requests this is: a repeated one gets the same answer.

    A ``session`` is one process. Of one ``lane`` it has one request under way at a time, and their
    numbers grow.
    """

    session: OptionalIdentifier
    lane: Count
    number: Count


class SharedSpec(Message):
    """A shared object to be made if there is none of this name.

    ``initial`` is a value's first content, ``maxsize`` bounds a queue; 0 does not.
    """

    name: Name
    kind: OptionalIdentifier
    initial: Payload = b""
    maxsize: Number = 0


class SharedCall(Message):
    """One operation on a shared object; ``headrace_coordinator.shared`` says which there are.

    What cannot be done yet is waited for up to ``wait_seconds``.
    """

    stamp: Stamp
    name: Name
    kind: OptionalIdentifier
    operation: Identifier
    values: SharedValues = ()
    numbers: Annotated[tuple[Number, ...], Entries] = ()
    wait_seconds: Seconds = 0.0


class SharedAnswer(Message):
    """What came of an operation. Not ``done``: it could not be, and nothing has changed.

    A queue's ``get`` alone has taken note even then of the items that its consumer is done with.
    """

    done: bool = True
    values: SharedValues = ()
    numbers: Annotated[tuple[Number, ...], Entries] = ()


class SharedReceipt(Message):
    """An item that a queue handed out."""

    name: Name
    number: Count


class SharedBeat(Message):
    """A session is there.

    Nobody waits any more for the answers to ``abandoned`` requests: what they got is given back.
    ``confirmed`` items have been worked on.
    """

    session: Identifier
    abandoned: Annotated[tuple[Stamp, ...], Entries] = ()
    confirmed: Annotated[tuple[SharedReceipt, ...], Entries] = ()


class SharedOrders(Message):
    """The answer to a SharedBeat: what a session holds comes free after so long a silence."""

    lease_seconds: Seconds


class SharedStatus(Message):
    """A shared object as it stands. ``items``: entries, or for a lock 1 while it is held."""

    name: Name
    kind: Identifier
    items: Count
    size_bytes: Count
    waiting: Count
