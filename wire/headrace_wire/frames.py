"""Frames on a socket that does not block; see ``headrace_wire.framing`` for their layout."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from headrace_wire import framing
from headrace_wire.parts import Parts, measure, send_some


class FrameReader:
    """Reads frames from a socket. ``bytes_in`` counts what they took."""

    def __init__(self, sock: socket.socket, frames: framing.FrameReader) -> None:
        self._socket = sock
        self._frames = frames
        self.take = frames.take

    @property
    def bytes_in(self) -> int:
        return self._frames.bytes_in

    def pull(self) -> bool:
        """Read what has come. False when that was all for now. Raises EOFError and OSError."""
        with self._frames.get_buffer() as view:
            try:
                count = self._socket.recv_into(view)
            except BlockingIOError:
                return False
            asked = len(view)
        if not count:
            raise EOFError
        self._frames.buffer_updated(count)
        return count == asked


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
        header = framing.write_header(length)
        self._rest = [header, *body]
        self.bytes_out += len(header) + length
        self.push()

    def push(self) -> None:
        """Send more of what is left. Raises OSError."""
        while self._rest:
            try:
                self._rest = send_some(self._socket, self._rest)
            except BlockingIOError:
                return
