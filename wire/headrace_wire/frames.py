"""Frames on a socket that does not block; see ``headrace_wire.connection`` for their layout."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from headrace_wire.parts import Parts, measure, send_some

#: Bytes asked for at a time, where it is not known how many there will be.
READ_BYTES = 64 << 10

#: Bytes for which memory is taken at once; a longer frame's buffer grows as it arrives.
EAGER_BYTES = 4 << 20

_SHORT = struct.Struct("!i")
_LONG = struct.Struct("!Q")


class FrameTooLargeError(EOFError):
    """The other side announced a frame over the cap; the connection is of no further use."""


class FrameReader:
    """Puts frames together. ``bytes_in`` counts what they took."""

    def __init__(self, sock: socket.socket, max_frame_bytes: int) -> None:
        self._socket = sock
        self._max_frame_bytes = max_frame_bytes
        self._loose = b""
        self._body: bytearray | None = None
        self._length = 0
        self._filled = 0
        self.bytes_in = 0

    def pull(self) -> bool:
        """Read what has come. False when that was all for now. Raises EOFError and OSError."""
        try:
            if self._body is None:
                chunk = self._socket.recv(READ_BYTES)
                count, asked = len(chunk), READ_BYTES
                self._loose = self._loose + chunk if self._loose else chunk
            else:
                count, asked = self._fill(self._body)
        except BlockingIOError:
            return False
        if not count:
            raise EOFError
        return count == asked

    def take(self) -> bytes | bytearray | None:
        """The next frame's body, if it is whole. Raises FrameTooLargeError."""
        if self._body is not None:
            if self._filled < self._length:
                return None
            body, self._body = self._body, None
            return body
        header = _SHORT.size
        if len(self._loose) < header:
            return None
        (length,) = _SHORT.unpack_from(self._loose)
        if length == -1:
            if len(self._loose) < header + _LONG.size:
                return None
            (length,) = _LONG.unpack_from(self._loose, header)
            header += _LONG.size
        if not 0 <= length <= self._max_frame_bytes:
            raise FrameTooLargeError(f"a frame of {length} bytes was announced")
        self.bytes_in += header + length
        end = header + length
        if len(self._loose) >= end:
            frame = self._loose[header:end]
            self._loose = self._loose[end:]
            return frame
        # What is long is read to where it stays; what has come of it goes there, too.
        self._length = length
        self._filled = len(self._loose) - header
        self._body = bytearray(min(length, EAGER_BYTES))
        self._body[: self._filled] = self._loose[header:]
        self._loose = b""
        return None

    def _fill(self, body: bytearray) -> tuple[int, int]:
        if self._filled == len(body):
            body.extend(bytes(min(len(body), self._length - self._filled)))
        with memoryview(body) as view, view[self._filled :] as rest:
            asked = len(rest)
            count = self._socket.recv_into(rest)
        self._filled += count
        return count, asked


class FrameWriter:
    """Sends frames, as far as the other side takes them. ``bytes_out`` counts what they took."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest: Sequence[bytes | memoryview] = ()
        self.bytes_out = 0

    @property
    def waits(self) -> bool:
        """Whether something is left until the other side has read."""
        return bool(self._rest)

    def put(self, body: Parts) -> None:
        """Send a frame, after the last one has left. Raises OSError."""
        length = measure(body)
        self._rest = [_SHORT.pack(length), *body]
        self.bytes_out += _SHORT.size + length
        self.push()

    def push(self) -> None:
        """Send more of what is left. Raises OSError."""
        while self._rest:
            try:
                self._rest = send_some(self._socket, self._rest)
            except BlockingIOError:
                return
