"""Frames without a socket: bytes that arrive go into buffers handed out here, and come out whole.

    get_buffer ─► whoever reads from the network ─► buffer_updated ─► take

A frame is a header and a body: the header is the body's length, a signed 32-bit integer in network
order, as ``multiprocessing.connection`` writes it. The blocking connection and the asynchronous
stream both read through this.
"""

from __future__ import annotations

import mmap
import struct
import sys
from collections.abc import Iterator, Sequence

from headrace_wire.parts import LARGE_BYTES, measure
from headrace_wire.portable import PORTABLE

#: Bytes in one frame once both sides have shown that they hold the key.
MAX_FRAME_BYTES = 256 << 20

#: Bytes in one frame before that; challenges and digests are far shorter.
MAX_HANDSHAKE_FRAME_BYTES = 4 << 10

#: Bytes asked for at a time, where it is not known how many there will be.
READ_BYTES = 16 << 10

#: Bytes for which memory is taken at once; the buffer of a longer frame grows as it arrives.
EAGER_BYTES = 4 << 20

#: When so much of a frame has come to a guarded reader, the rest goes into pages that the system
#: gives as they are filled: to take twice the memory and copy what is there kept a server's loop
#: for 0.7 s at 128 MiB. Smaller frames come into memory that was used before, which is cheaper.
MAPPED_BYTES = 16 << 20

#: Not every system has such pages.
CAN_MAP = hasattr(mmap, "MAP_ANONYMOUS") and not PORTABLE

#: Bytes of a large part that are written at a time.
WRITE_BYTES = 1 << 20

#: The body of a frame.
Body = bytes | bytearray | memoryview

_HEADER = struct.Struct("!i")


class FrameTooLargeError(EOFError):
    """The other side announced a frame over the cap; the connection is of no further use."""


class TlsGreetingError(FrameTooLargeError):
    """What came is how TLS begins: a client tries whether this side speaks it."""


class FrameReader:
    """Puts frames together. ``bytes_in`` counts what has arrived.

    Short frames are read several at a time and copied out; the body of a long one is read to where
    it stays.
    """

    def __init__(self, max_frame_bytes: int) -> None:
        #: May be raised between frames.
        self.max_frame_bytes = max_frame_bytes
        #: How much of a frame's body memory is taken for at once; may be set between frames.
        self.eager_bytes = EAGER_BYTES
        #: Whether somebody else says when a body grows, with ``grow``.
        self.is_guarded = False
        self.bytes_in = 0
        #: Bytes that no frame has taken lie between the two places. Freed while there are none:
        #: a connection that waits takes no memory for it.
        self._loose = bytearray()
        self._start = 0
        self._end = 0
        self._body: bytearray | mmap.mmap | None = None
        #: Bytes of the body that may be filled, in all.
        self._room = 0
        self._length = 0
        self._filled = 0

    @property
    def begun(self) -> bool:
        """Whether bytes have come that belong to no frame which was taken."""
        return self._body is not None or self._end > self._start

    @property
    def wanted(self) -> int:
        """Bytes of memory for the body of the frame that arrives, with those for its next part."""
        if self._body is None:
            return 0
        if self._filled < self._room:
            return self._room
        return min(2 * self._filled, self._length)

    def grow(self) -> None:
        """Take memory for the next part of the body, if there is none left. Raises MemoryError."""
        if self._body is not None and self.wanted > self._room:
            self._make_room(self.wanted)

    def _make_room(self, size: int) -> None:
        assert self._body is not None, "there is a body that grows"
        if size > len(self._body):
            if self.is_guarded and size > MAPPED_BYTES and CAN_MAP:
                self._body = _map(self._body, self._length)
            else:
                self._body = _enlarge(self._body, size)
        self._room = size

    def end(self) -> None:
        """Note that nothing more arrives: what came of a long frame that is not whole is let go."""
        if self._filled < self._length:
            self._body = None  # pages go when nobody has a view of them any more

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """Return where the next bytes go, which is never empty."""
        del sizehint
        if self._body is not None and self._filled < self._length:
            if self._filled == self._room:
                # Of encrypted bytes some may come after nothing more was to be read.
                least = min(self._filled + READ_BYTES, self._length)
                self._make_room(least if self.is_guarded else self.wanted)
            return memoryview(self._body)[self._filled : self._room]
        if self._end == len(self._loose):
            rest = self._loose[self._start :]
            self._loose = _enlarge(rest, len(rest) + READ_BYTES)
            self._start, self._end = 0, len(rest)
        return memoryview(self._loose)[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Note that so many bytes have been read into the last buffer."""
        self.bytes_in += nbytes
        if self._body is not None and self._filled < self._length:
            self._filled += nbytes
        else:
            self._end += nbytes

    def take(self) -> Body | None:
        """Return the body of the next frame, or None until it is whole.

        Raises FrameTooLargeError.
        """
        if self._body is not None:
            if self._filled < self._length:
                return None
            body, self._body = self._body, None
            return body if isinstance(body, bytearray) else memoryview(body)
        begin = self._start + _HEADER.size
        if begin > self._end:
            if self._start == self._end:
                self._forget_loose()
            return None
        (length,) = _HEADER.unpack_from(self._loose, self._start)
        if not 0 <= length <= self.max_frame_bytes:
            # The type of a handshake's record, and the first byte of its version.
            kind = TlsGreetingError if length >> 16 == 0x1603 else FrameTooLargeError
            raise kind(f"a frame of {length} bytes was announced")
        end = begin + length
        with memoryview(self._loose) as view:
            if end <= self._end:
                frame = bytes(view[begin:end])
                self._start = end
            else:
                frame = None
                self._length = length
                self._filled = self._end - begin
                self._room = min(length, max(self.eager_bytes, self._filled))
                self._body = bytearray(self._room)
                self._body[: self._filled] = view[begin : self._end]
                self._start = self._end
        if self._start == self._end:
            self._forget_loose()
        return frame

    def _forget_loose(self) -> None:
        self._loose = bytearray()
        self._start = self._end = 0


def write_header(length: int) -> bytes:
    """Return what goes before a body of so many bytes."""
    return _HEADER.pack(length)


def write_frame(
    body: Sequence[bytes | memoryview], write_bytes: int = WRITE_BYTES
) -> Iterator[bytes | memoryview]:
    """Yield a frame, whose body comes in parts, in pieces that are worth a write each.

    Large parts are not copied, but cut into ``write_bytes``; small ones are joined with their
    neighbours.
    """
    small: list[bytes | memoryview] = [write_header(measure(body))]
    size = len(small[0])
    for part in body:
        if len(part) < LARGE_BYTES:
            small.append(part)
            size += len(part)
        if small and (size >= LARGE_BYTES or len(part) >= LARGE_BYTES):
            yield b"".join(small)
            small, size = [], 0
        if len(part) >= LARGE_BYTES:
            view = memoryview(part)
            for start in range(0, len(part), write_bytes):
                yield view[start : start + write_bytes]
    if small:
        yield b"".join(small)


def _map(buffer: bytearray | mmap.mmap, size: int) -> mmap.mmap:
    """Return a longer copy, of which pages are taken as they are filled. Raises MemoryError."""
    try:
        if sys.platform == "win32":
            larger = mmap.mmap(-1, size)
        else:
            larger = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(error.strerror) from None
    larger[: len(buffer)] = bytes(buffer)
    return larger


def _enlarge(buffer: bytearray | mmap.mmap, size: int) -> bytearray:
    """Return a longer copy: what was handed out before may still be held, so it cannot grow."""
    larger = bytearray(size)
    larger[: len(buffer)] = buffer
    return larger
