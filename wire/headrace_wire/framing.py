"""Frames without a socket: bytes that arrive are written into buffers and returned as whole frames.

    get_buffer ─► the code that reads from the network ─► buffer_updated ─► take

A frame is a header and a body: the header is the body's length, a signed 32-bit integer in network
order, as ``multiprocessing.connection`` writes it. The blocking connection and the asynchronous
stream both read frames with this.
"""

from __future__ import annotations

import mmap
import struct
import sys
from collections.abc import Iterator, Sequence

from headrace_wire.parts import LARGE_BYTES, measure
from headrace_wire.system.portable import PORTABLE

#: The maximum size of a frame in bytes, after both sides have shown that they hold the key.
MAX_FRAME_BYTES = 256 << 20

#: The maximum size before that; challenges and digests are far shorter.
MAX_HANDSHAKE_FRAME_BYTES = 4 << 10

#: How many bytes are read at a time if it is not known how many there will be.
READ_BYTES = 16 << 10

#: For how many bytes memory is allocated at once; the buffer of a longer frame grows as it arrives.
EAGER_BYTES = 4 << 20

#: When so much of a frame has arrived at a guarded reader, the rest is written into pages that the
#: system allocates as they are filled. Allocating twice the memory and copying took 0.7 s of the
#: event loop at 128 MiB. Smaller frames use memory that was used before, which is faster.
MAPPED_BYTES = 16 << 20

#: Whether the system has such pages.
CAN_MAP = hasattr(mmap, "MAP_ANONYMOUS") and not PORTABLE

#: How many bytes of a large part are written at a time.
WRITE_BYTES = 1 << 20

#: The body of a frame.
Body = bytes | bytearray | memoryview

_HEADER = struct.Struct("!i")


class FrameTooLargeError(EOFError):
    """The peer announced a frame over the limit; the connection cannot be used any more."""


class TlsGreetingError(FrameTooLargeError):
    """What arrived is the beginning of TLS: a client tries whether this side speaks it."""


class FrameReader:
    """Assembles frames. ``bytes_in`` counts what has arrived.

    Several short frames are read at a time and copied out. The body of a long frame is read into
    its final place.
    """

    def __init__(self, max_frame_bytes: int) -> None:
        #: May be raised between frames.
        self.max_frame_bytes = max_frame_bytes
        #: For how much of a frame's body memory is allocated at once; may be set between frames.
        self.eager_bytes = EAGER_BYTES
        #: Whether other code decides when a body grows, by calling ``grow``.
        self.is_guarded = False
        self.bytes_in = 0
        #: The bytes between these two positions belong to no frame that was taken. The buffer is
        #: freed while there are none, so that a waiting connection uses no memory for it.
        self._loose = bytearray()
        self._start = 0
        self._end = 0
        self._body: bytearray | mmap.mmap | None = None
        #: How many bytes of the body may be filled, in total.
        self._room = 0
        self._length = 0
        self._filled = 0

    @property
    def begun(self) -> bool:
        """Whether bytes have arrived that belong to no frame which was taken."""
        return self._body is not None or self._end > self._start

    @property
    def wanted(self) -> int:
        """How many bytes of memory the body of the arriving frame needs, including its next
        part.
        """
        if self._body is None:
            return 0
        if self._filled < self._room:
            return self._room
        return min(2 * self._filled, self._length)

    def grow(self) -> None:
        """Allocate memory for the next part of the body, if there is none left. Raises
        MemoryError.
        """
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
        """Note that nothing more arrives. An incomplete long frame is discarded."""
        if self._filled < self._length:
            self._body = None  # pages are freed when nobody has a view of them

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """Return the buffer for the next bytes, which is never empty."""
        del sizehint
        if self._body is not None and self._filled < self._length:
            if self._filled == self._room:
                # With TLS, some bytes may arrive after reading has been paused.
                least = min(self._filled + READ_BYTES, self._length)
                self._make_room(least if self.is_guarded else self.wanted)
            return memoryview(self._body)[self._filled : self._room]
        if self._end == len(self._loose):
            rest = self._loose[self._start :]
            self._loose = _enlarge(rest, len(rest) + READ_BYTES)
            self._start, self._end = 0, len(rest)
        return memoryview(self._loose)[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Note that this many bytes have been read into the last buffer."""
        self.bytes_in += nbytes
        if self._body is not None and self._filled < self._length:
            self._filled += nbytes
        else:
            self._end += nbytes

    def take(self) -> Body | None:
        """Return the body of the next frame, or None until it is complete.

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
    """Return the header for a body of this many bytes."""
    return _HEADER.pack(length)


def write_frame(
    body: Sequence[bytes | memoryview], write_bytes: int = WRITE_BYTES
) -> Iterator[bytes | memoryview]:
    """Yield a frame, whose body is in parts, in pieces that are each worth a write.

    Large parts are not copied, but divided into pieces of ``write_bytes``; small ones are joined
    with their neighbours.
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
    """Return a longer copy, whose pages are allocated as they are filled. Raises MemoryError."""
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
    """Return a longer copy; the old buffer cannot grow, because views of it may still exist."""
    larger = bytearray(size)
    larger[: len(buffer)] = buffer
    return larger
