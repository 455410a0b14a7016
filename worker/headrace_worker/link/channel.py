"""The two ends of the socket between the pool and one slot.

Frames are a length (8 bytes, big-endian) and a message in MessagePack; nothing is ever unpickled.
The slot's end blocks. The pool's end never does: what a slot does not read yet waits in memory.
So a pool that sends inputs and a slot that sends results cannot wait for each other for ever, and
one slot that is stopped or swapped out does not hold up the others.
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import struct
from collections import deque
from collections.abc import Iterator
from itertools import chain, groupby

from msgspec import to_builtins
from msgspec.msgpack import Decoder, Encoder

from headrace_wire.parts import LARGE_BYTES, Parts, measure, pack_parts
from headrace_worker.link.messages import PoolMessage, SlotMessage, list_payloads

_HEADER = struct.Struct("!Q")

#: How many bytes are asked for at a time.
READ_BYTES = 1 << 18

#: A buffer for what comes in is used again up to this size in bytes.
KEPT_BYTES = 1 << 19

#: What a slot sends at a time is smaller than so many bytes.
MOST_BYTES = 1 << 29

_encode_small = Encoder().encode
_pool_messages: Decoder[PoolMessage] = Decoder(PoolMessage)
_slot_messages: Decoder[SlotMessage] = Decoder(SlotMessage)


def encode(message: PoolMessage | SlotMessage) -> Parts:
    """Encode a message as its frame, in which large byte strings are parts of their own.

    Text that is no UTF-8, such as the name of a file, is escaped: it is for people.
    """
    if max(map(len, list_payloads(message)), default=0) < LARGE_BYTES:
        with contextlib.suppress(UnicodeEncodeError):
            body = _encode_small(message)
            return [_HEADER.pack(len(body)) + body]
    fields: object = to_builtins(message, builtin_types=(bytes,))
    first, *rest = pack_parts(fields, unicode_errors="backslashreplace")
    return [_HEADER.pack(len(first) + measure(rest)) + first, *rest]


class SlotEnd:
    """The slot's end. Not thread safe."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        link.setblocking(True)
        # The socket itself may be closed by a task that closes all that it finds.
        self._number = link.fileno()
        self._poll = select.poll()  # not select: a task may have opened a thousand files
        self._poll.register(link, select.POLLIN)

    def send(self, *messages: SlotMessage) -> None:
        """Send all of it; raises OSError when the pool is gone."""
        parts = chain.from_iterable(map(encode, messages))
        for small, run in groupby(parts, lambda part: len(part) < LARGE_BYTES):
            for piece in [b"".join(run)] if small else run:
                self._link.sendall(piece)

    @property
    def is_open(self) -> bool:
        """Whether there still is a descriptor; a task may have closed it. Cheaper than a stat."""
        try:
            fcntl.fcntl(self._number, fcntl.F_GETFD)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._link.close()

    def wait(self, seconds: float) -> bool:
        """Wait for the beginning of a message, or the end of the socket. False: it did not come."""
        return bool(self._poll.poll(seconds * 1000))

    def receive(self) -> PoolMessage:
        """Wait for a message; raises EOFError when the pool closed its end."""
        (length,) = _HEADER.unpack(self._read(_HEADER.size))
        return _pool_messages.decode(self._read(length))

    def _read(self, length: int) -> bytearray:
        body = bytearray(length)
        rest = memoryview(body)
        while rest:
            count = self._link.recv_into(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return body


class PoolEnd:
    """The pool's end, which never blocks. Not thread safe."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        link.setblocking(False)
        self._outgoing: deque[memoryview] = deque()
        self._incoming = bytearray()
        self._filled = 0
        #: Bytes that have to be there for the next message to be complete.
        self._expected: int = _HEADER.size
        #: Nothing more will come: the slot is gone, or has closed its end.
        self.ended = False
        self.bytes_in = 0
        self.bytes_out = 0

    def fileno(self) -> int:
        return self._link.fileno()

    @property
    def is_backed_up(self) -> bool:
        """Whether bytes wait until the slot reads."""
        return bool(self._outgoing)

    def post(self, message: PoolMessage) -> None:
        """Put a message in the line; ``push`` sends it."""
        self._outgoing += map(memoryview, encode(message))

    def push(self) -> None:
        """Send what the slot takes now."""
        try:
            while self._outgoing:
                if len(self._outgoing) > 1 and len(self._outgoing[0]) < LARGE_BYTES:
                    self._join_small()
                first = self._outgoing[0]
                sent = self._link.send(first)
                self.bytes_out += sent
                if sent == len(first):
                    self._outgoing.popleft()
                else:
                    self._outgoing[0] = first[sent:]
        except BlockingIOError:
            return
        except OSError:
            # The slot is dead; its pidfd tells, and all that it held is accounted for there.
            self._outgoing.clear()

    def pull(self, *, to_the_end: bool = False) -> Iterator[SlotMessage]:
        """Take the messages that are complete, as far as they are here now.

        Of a slot that is dead take them ``to_the_end``: nobody will tell that there are more.
        Raises ValueError and RecursionError for what is no message.
        """
        while not self.ended:
            room = max(self._expected, self._filled + READ_BYTES)
            if len(self._incoming) < room:
                grown = bytearray(room)
                grown[: self._filled] = self._incoming[: self._filled]
                self._incoming = grown
            try:
                with memoryview(self._incoming) as view, view[self._filled :] as free:
                    count = self._link.recv_into(free)
                    asked = len(free)
            except BlockingIOError:
                break
            except OSError:
                count = asked = 0
            if not count:
                self.ended = True
            self._filled += count
            self.bytes_in += count
            if count < asked and not to_the_end:
                break
        if self._filled >= self._expected:
            yield from self._parse()

    def spoil(self) -> None:
        """Believe nothing more that comes."""
        self.ended = True
        self._filled, self._expected = 0, _HEADER.size

    def close(self) -> None:
        self.ended = True
        self._outgoing.clear()
        self._link.close()

    def _join_small(self) -> None:
        parts: list[memoryview] = []
        size = 0
        while self._outgoing and size < LARGE_BYTES and len(self._outgoing[0]) < LARGE_BYTES:
            parts.append(self._outgoing.popleft())
            size += len(parts[-1])
        self._outgoing.appendleft(memoryview(b"".join(parts)))

    def _parse(self) -> Iterator[SlotMessage]:
        place = 0
        try:
            while True:
                self._expected = _HEADER.size
                if self._filled - place < _HEADER.size:
                    break
                length: int = _HEADER.unpack_from(self._incoming, place)[0]
                if length > MOST_BYTES:
                    raise ValueError(f"a message of {length} bytes")
                end = place + _HEADER.size + length
                if self._filled < end:
                    self._expected = end - place
                    break
                with memoryview(self._incoming) as view:
                    message = _slot_messages.decode(view[place + _HEADER.size : end])
                place = end
                yield message
        finally:
            # What is left is the beginning of a message; a large buffer is not kept for it.
            rest = self._incoming[place : self._filled]
            self._filled = len(rest)
            if len(self._incoming) > KEPT_BYTES:
                self._incoming = rest
            else:
                self._incoming[: len(rest)] = rest
