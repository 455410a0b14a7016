"""A connection after its handshake, over which a loop calls: a request, its answer, the next.

    call ─► frame ─► socket ─► frame ─► whoever waits for the answer

The caller's counterpart of a session. Neither reading nor writing ever blocks. While no call is
under way the connection is watched as well: one that the other side has closed is known as such.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable

from headrace_wire.connection import MsgpackConnection
from headrace_wire.frames import FrameReader, FrameWriter
from headrace_wire.loop import GONE, READABLE, Loop, Resume, Timer
from headrace_wire.parts import Parts


class LoopConnection:
    """Lives in the loop's thread."""

    def __init__(self, loop: Loop, link: MsgpackConnection) -> None:
        self._loop = loop
        self._link = link
        sock = link.share()
        self._descriptor = sock.fileno()
        self._reader = FrameReader(sock, link.frames)
        self._writer = FrameWriter(sock)
        self._resume: Resume | None = None
        self._timer: Timer | None = None
        self._answer_seconds = 0.0
        self._moved_seconds = 0.0
        self.closed = False
        loop.watch(self._descriptor, self._hear)

    def begin(self, request: Parts, answer_seconds: float, resume: Resume) -> None:
        """Send a frame; ``resume`` is handed that of the answer, or what went wrong meanwhile.

        An answer of which not a byte comes for ``answer_seconds`` counts as lost.
        """
        self._resume = resume
        self._answer_seconds = answer_seconds
        self._moved_seconds = time.monotonic()
        self._watch_time()
        try:
            self._writer.put(request)
        except OSError as error:
            problem = error
            self._loop.call(lambda: self._end(None, problem))

    def close(self) -> None:
        """Close it; a call under way hears nothing."""
        self._resume = None
        if self._timer:
            self._timer.cancel()
        if not self.closed:
            self.closed = True
            self._loop.forget(self._descriptor)
            self._link.close()

    def _hear(self, event: int) -> None:
        self._moved_seconds = time.monotonic()
        gone = bool(event & GONE)
        try:
            if event & select.EPOLLOUT and self._writer.waits:
                self._writer.push()
            frame = self._read(gone=gone) if event & READABLE else None
            if frame is not None and not self._resume:
                raise EOFError("an answer came that nobody had asked for")
        except (EOFError, OSError) as error:
            self._end(None, error)
        else:
            if frame is not None:
                self._end(frame, None, last=gone)

    def _read(self, *, gone: bool) -> bytes | bytearray | None:
        """The next frame, if it is whole. Raises EOFError at the end, and OSError."""
        more = True
        while True:
            frame = self._reader.take()
            if frame is not None or not more:
                return frame
            more = self._reader.pull() or gone

    def _watch_time(self) -> None:
        moment = self._moved_seconds + self._answer_seconds
        if moment > time.monotonic():
            self._timer = self._loop.call_at(moment, self._watch_time)
        else:
            self._end(None, TimeoutError("timed out"))

    def _end(
        self, frame: bytes | bytearray | None, error: Exception | None, *, last: bool = False
    ) -> None:
        resume, self._resume = self._resume, None
        if self._timer:
            self._timer.cancel()
        if error or last:
            self.close()
        if resume:
            resume(frame, error)


class Exchange:
    """A step: a request and its answer. Called off, it closes the connection: otherwise the next
    call would read this one's answer.
    """

    def __init__(self, connection: LoopConnection, request: Parts, answer_seconds: float) -> None:
        self._connection = connection
        self._request = request
        self._answer_seconds = answer_seconds

    def start(self, resume: Resume) -> Callable[[], None]:
        self._connection.begin(self._request, self._answer_seconds, resume)
        return self._connection.close
