"""A connection in an event loop that carries frames, for clients and servers.

What arrives is read into its final place, large parts are written without a copy, and a sender
waits for a peer that does not read. While nobody receives, the connection is still watched, so that
its end is noticed; a peer that sends in advance fills one small buffer and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from headrace_wire.certificates import Certificate
from headrace_wire.connection import tune
from headrace_wire.framing import (
    MAX_FRAME_BYTES,
    MAX_HANDSHAKE_FRAME_BYTES,
    WRITE_BYTES,
    Body,
    FrameReader,
    FrameTooLargeError,
    write_frame,
)
from headrace_wire.greeting import says_revoked
from headrace_wire.guard import Guard, Guarded
from headrace_wire.handshake import Handshake
from headrace_wire.parts import Parts, measure

Given = TypeVar("Given")

#: How many seconds sent data has to leave after ``close``.
LINGER_SECONDS = 5.0

#: How many bytes are encrypted at a time: whether a peer reads, however slowly, is seen from the
#: rest.
ENCRYPTED_BYTES = 128 << 10


class FrameStream(asyncio.BufferedProtocol):
    """One connection. In each direction, one call may be pending at a time.

    ``bytes_out`` counts what was sent.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._frames = FrameReader(MAX_HANDSHAKE_FRAME_BYTES)
        self._transport: asyncio.Transport | None = None
        self._frame: Body | None = None
        self._receiving: asyncio.Future[None] | None = None
        self._sending: asyncio.Future[None] | None = None
        self._is_full = self._is_paused = False
        self._problem: Exception | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._moved = 0.0
        self._unsent: int = 0
        self.bytes_out = 0
        self.closed = False
        #: When the connection was made (monotonic).
        self.connected_at = time.monotonic()
        #: Called once if the connection ends for another reason than ``close`` and ``abort``.
        self.on_lost: Callable[[], object] | None = None
        #: ``receive`` and ``send`` raise TimeoutError if no byte moves for this many seconds.
        self.stall_seconds: float | None = None
        #: Whether it is kept for a later call: bytes that arrive meanwhile end it.
        self.is_resting = False
        #: Whether the peer has said meanwhile that this side's key is no longer valid.
        self.is_revoked = False
        #: The peer's certificate in DER, if it has presented one.
        self.certificate: bytes | None = None
        #: Whether the peer is of a newer minor version, according to its greeting.
        self.is_newer = False
        self._is_encrypted = False
        self._guarded: Guarded | None = None
        self._is_held = False
        self._write_bytes = WRITE_BYTES

    @property
    def bytes_in(self) -> int:
        """How many bytes have arrived."""
        return self._frames.bytes_in

    @property
    def unread(self) -> bool:
        """Whether something has arrived that nobody has received."""
        return self._frame is not None or self._frames.begun

    @property
    def peer(self) -> str:
        """The peer: ``host:port``, or "somebody" if not known, as with Unix sockets."""
        address: Any = self._transport and self._transport.get_extra_info("peername")
        return f"{address[0]}:{address[1]}" if address else "somebody"

    @property
    def host(self) -> str:
        """The address of the peer, if known."""
        address: Any = self._transport and self._transport.get_extra_info("peername")
        return str(address[0]) if address else ""

    @property
    def subject(self) -> Certificate:
        """The peer's certificate, if it has been verified."""
        encrypted: Any = self._transport and self._transport.get_extra_info("ssl_object")
        return (encrypted and encrypted.getpeercert()) or {}

    def trust(self) -> None:
        """Lift the handshake's limit for frames, because the peer has shown that it holds the
        key.
        """
        self._frames.max_frame_bytes = MAX_FRAME_BYTES

    def guard(
        self,
        guard: Guard,
        groups: tuple[str, ...],
        on_dropped: Callable[[FrameStream, str], object],
    ) -> None:
        """Apply a server's limits to the peer, together with others of its groups. ``on_dropped``
        is called with the reason before a connection is closed that is too slow, or for whose frame
        there is no memory.
        """

        def drop(reason: str) -> None:
            on_dropped(self, reason)
            self._lose(TimeoutError(reason))

        self._guarded = Guarded(
            guard, groups, self._frames, self._count_sent, self._hold, self._unhold, drop
        )

    @property
    def lacks_room(self) -> bool:
        """Whether there is no memory for an answer now."""
        return self._guarded is not None and self._guarded.lacks_room

    async def find_room(self) -> None:
        """Wait until there is memory for an answer."""
        if self._guarded:
            await self._guarded.find_room()

    async def receive(self) -> Body:
        """Return the body of the next frame.

        Raises EOFError if the connection has ended, after the frames that arrived completely
        before; FrameTooLargeError, OSError, and TimeoutError.
        """
        if self._guarded:
            self._guarded.release_frame()
        if self._frame is None:
            self._take()
        while self._frame is None:
            transport = self._check_open()
            if self._is_paused and not self._is_held:
                self._is_paused = False
                transport.resume_reading()
            self._receiving = self._loop.create_future()
            try:
                await self._wait(self._receiving)
            finally:
                self._receiving = None
        frame, self._frame = self._frame, None
        return frame

    async def send(self, parts: Parts) -> None:
        """Send a frame, whose body is in parts. It only waits for a peer that does not read.

        Raises EOFError, OSError and TimeoutError. If it is cancelled, the connection is closed.
        """
        guarded = self._guarded
        if guarded:
            guarded.begin_answer(measure(parts))
        try:
            for piece in write_frame(parts, self._write_bytes):
                self._check_open().write(piece)
                self.bytes_out += len(piece)
                while self._is_full:
                    if guarded:
                        guarded.wait_for_reader()
                    self._sending = self._loop.create_future()
                    await self._wait(self._sending)
                    self._check_open()
        except BaseException:
            self.abort()  # half a frame may have left
            raise
        finally:
            self._sending = None
            if guarded:
                guarded.end_answer()

    async def follow(self, steps: Handshake[Given]) -> Given:
        """Send and receive what one half of a handshake requests. Returns and raises what it does,
        and raises EOFError and OSError.
        """
        frame: Body | None = None
        while True:
            try:
                wanted = steps.send(frame)
            except StopIteration as end:
                return cast("Given", end.value)
            if wanted is None:
                frame = await self.receive()
            else:
                await self.send([wanted])
                frame = None

    def send_last(self, parts: Parts) -> None:
        """Send a frame, while no other is being sent, and close the connection, without waiting."""
        if self._transport and not self.closed:
            for piece in write_frame(parts, self._write_bytes):
                self._transport.write(piece)
        self.close()

    def close(self) -> None:
        """Close the connection as soon as what was sent has left, or a while later."""
        self.on_lost = None
        if self._transport and not self.closed:
            self._transport.close()
            # TLS does not tell what is encrypted and has not left, and waits for the peer to close.
            if self._is_encrypted or self._transport.get_write_buffer_size():
                self._loop.call_later(LINGER_SECONDS, self._transport.abort)
        self._end(EOFError())

    def abort(self) -> None:
        """Close the connection at once."""
        self.on_lost = None
        self._lose(EOFError())

    # These methods are called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        encrypted: Any = transport.get_extra_info("ssl_object")
        if encrypted:
            self._is_encrypted, self._write_bytes = True, ENCRYPTED_BYTES
            self.certificate = encrypted.getpeercert(True)
        with contextlib.suppress(OSError):  # it may have ended already
            tune(transport.get_extra_info("socket"))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._frames.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        self._frames.buffer_updated(nbytes)
        self._moved = self._loop.time()
        # A loop may read several times before a task that was woken continues.
        if self._receiving and self._frame is None:
            self._take()
        elif self.is_resting:
            self._take()
            self.is_revoked = self._frame is not None and says_revoked(self._frame)
            self._lose(EOFError("something came that nobody had asked for"))
        elif self._transport and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._lose(EOFError())

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or EOFError())

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._moved = self._loop.time()
        wake(self._sending)

    def _take(self) -> None:
        guarded = self._guarded
        try:
            if guarded:
                guarded.prepare()
            self._frame = self._frames.take()
            if guarded and self._frame is None:
                guarded.grow()
        except FrameTooLargeError as error:
            self._lose(error)
        except MemoryError:
            if guarded:
                guarded.lack_memory()
            self._lose(EOFError("there is no memory for a frame"))
        if self._frame is not None:
            if guarded:
                guarded.finish_frame()
            wake(self._receiving)

    def _count_sent(self) -> int:
        return self.bytes_out - (self._transport.get_write_buffer_size() if self._transport else 0)

    def _hold(self) -> None:
        """Stop reading until there is room."""
        self._is_held = True
        if self._transport and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _unhold(self) -> None:
        self._is_held = False
        if self._transport and self._is_paused and self._receiving and not self.closed:
            self._is_paused = False
            self._transport.resume_reading()

    def _check_open(self) -> asyncio.Transport:
        if self._problem:
            # A new exception each time: its traceback would grow, and keep objects alive.
            raise type(self._problem)(*self._problem.args)
        assert self._transport, "streams are used after they are connected"
        return self._transport

    def _lose(self, problem: Exception) -> None:
        if self._transport:
            self._transport.abort()
        self._end(problem)

    def _end(self, problem: Exception) -> None:
        if self.closed:
            return
        self.closed = True
        self._problem = problem
        # With TLS, only the garbage collector frees a connection.
        self._frames.end()
        if self._watch:
            self._watch.cancel()
        if self._guarded:
            self._guarded.close()
        wake(self._receiving)
        wake(self._sending)
        if self.on_lost:
            self.on_lost()

    async def _wait(self, news: asyncio.Future[None]) -> None:
        """Wait for an event of the connection, as long as bytes move."""
        if self.stall_seconds is not None:
            self._moved = self._loop.time()
            due = self._moved + self.stall_seconds
            # A timer that was set in an earlier wait checks again by itself.
            if self._watch is None or self._watch.when() > due:
                self._arm(due)
        await news

    def _arm(self, due: float) -> None:
        if self._watch:
            self._watch.cancel()
        self._watch = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._watch = None
        waiting = self._receiving or self._sending
        if not waiting or self.stall_seconds is None or self.closed:
            return
        unsent: int = self._transport.get_write_buffer_size() if self._transport else 0
        if unsent != self._unsent:
            self._unsent, self._moved = unsent, self._loop.time()
        due = self._moved + self.stall_seconds
        if due > self._loop.time():
            self._arm(due)
        else:
            self._lose(TimeoutError("timed out"))


async def accept_stream(sock: socket.socket, encrypting: dict[str, Any]) -> FrameStream:
    """Take over a connection that a server has accepted; ``encrypting`` are options for the event
    loop.

    Raises OSError.
    """
    stream = FrameStream()  # the protocol that uvloop and TLS return is another object
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: stream, sock, **encrypting)
    return stream


def drop(sock: socket.socket) -> None:
    """Close a socket that an event loop was to take over, and perhaps did.

    uvloop before 0.23 has closed its descriptor by then. The error of a second close would replace
    a cancellation, and code that waits for the end of the cancelled task would wait forever.
    """
    with contextlib.suppress(OSError):
        sock.close()


def wake(news: asyncio.Future[None] | None) -> None:
    """Wake the task that waits for news, if there is one."""
    if news and not news.done():
        news.set_result(None)
