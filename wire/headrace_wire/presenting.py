"""What the coordinator sends to the process that opens a job's results, over a socket.

    order   its length, and JSON: which job it is, and what is wanted
    span    the index of its first task, the length of its batch, and the batch
    end     instead of a span: everything has been sent

The answer is a summary as JSON; or a line of JSON, and then a file.
"""

from __future__ import annotations

import base64
import json
from struct import Struct as Layout
from typing import Any, BinaryIO

from msgspec import Struct, convert

#: The module that this process runs; the coordinator never imports it.
MODULE = "headrace_services.presenting"

#: Before the order: its length. Before a span: its first task, and the length of its batch.
_ORDER_HEAD, _SPAN_HEAD = Layout("!I"), Layout("!QQ")

#: Sent instead of the head of a span.
END = _SPAN_HEAD.pack(2**64 - 1, 0)


class Order(Struct, frozen=True):
    """Which job it is, and whether its ``summary`` is wanted or else the file. ``kept`` means that
    there still are results.

    Nothing in the ``closed`` folders has to be read for that.
    """

    service: str
    operation: str
    parameters: bytes
    tasks: int
    done: int
    ended: bool
    summary: bool
    kept: bool = True
    closed: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Encode it as it is sent."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        fields["parameters"] = base64.b64encode(self.parameters).decode()
        body = json.dumps(fields).encode()  # names of folders may not be valid text
        return _ORDER_HEAD.pack(len(body)) + body

    @classmethod
    def read(cls, source: BinaryIO) -> Order:
        """Read an order. Raises EOFError."""
        (size,) = _ORDER_HEAD.unpack(read_exactly(source, _ORDER_HEAD.size))
        fields: dict[str, Any] = json.loads(read_exactly(source, size))
        fields["parameters"] = base64.b64decode(fields["parameters"])
        return convert(fields, cls)


def write_head(start: int, size: int) -> bytes:
    """Return the head that precedes a batch."""
    return _SPAN_HEAD.pack(start, size)


def read_span(source: BinaryIO) -> tuple[int, bytes] | None:
    """Read a span: its first task, and its batch; None at the end. Raises EOFError."""
    head = read_exactly(source, _SPAN_HEAD.size)
    if head == END:
        return None
    start, size = _SPAN_HEAD.unpack(head)
    return start, read_exactly(source, size)


def read_exactly(source: BinaryIO, size: int) -> bytes:
    """Read this many bytes. Raises EOFError if there are fewer."""
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data
