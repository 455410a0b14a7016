"""Calls from an event loop: methods of a served object that can be awaited.

    caller = QueueManager(address, key).async_jobs()
    grant = await caller.call(JobQueueApi.lease, request)

This is the counterpart, for tasks of an event loop, of ``Proxy``, ``RetryingProxy`` and ``Caller``
of the manager, which are for threads. No thread waits here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from headrace_wire.acquaintances import explain_stranger, note_revoked, note_taken
from headrace_wire.address import Address
from headrace_wire.api import APIS
from headrace_wire.busy import Tries
from headrace_wire.calling import decode_answer, encode_call, explain_loss
from headrace_wire.connection import IDLE_CONNECTIONS, measure_handshake
from headrace_wire.dialing import open_stream
from headrace_wire.encryption import Encryption
from headrace_wire.errors import (
    BusyError,
    ClosedError,
    HeadraceError,
    KeyRefusedError,
    ProtocolError,
    UnreachableError,
)
from headrace_wire.framing import Body
from headrace_wire.greeting import explain_refusal, greet
from headrace_wire.handshake import prove_both
from headrace_wire.job_tokens import find_hint
from headrace_wire.parts import Parts
from headrace_wire.signature import Signature, read_signatures
from headrace_wire.stream import FrameStream
from headrace_wire.timeouts import Attempts

Api = TypeVar("Api")
Arguments = ParamSpec("Arguments")
Given = TypeVar("Given")


#: After how many seconds connections are closed that were not used meanwhile, except for one.
SPARE_SECONDS = 10.0


class AsyncCaller(Generic[Api]):
    """Calls methods of an API. It is made by a QueueManager, and used in one event loop.

    Each pending call has its own connection, which is kept for a later call. If no byte of an
    answer arrives for ``answer_seconds``, which may be changed between calls, the connection counts
    as lost. While the coordinator is away, a call keeps trying for ``patience_seconds``;
    ``on_lost`` is called with the error of each attempt that will be repeated, and ``on_connected``
    when the coordinator has accepted a connection. A cancelled call closes its connection, because
    otherwise the next call would read its answer.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        key: bytes,
        *,
        encryption: Encryption,
        answer_seconds: float,
        patience_seconds: float,
        on_lost: Callable[[UnreachableError], None],
        on_connected: Callable[[], object],
    ) -> None:
        self._name = name
        self._address = address
        self._key = key
        self._encryption = encryption
        self.answer_seconds = answer_seconds
        self._patience_seconds = patience_seconds
        self._on_lost = on_lost
        self._on_connected = on_connected
        self._signatures = read_signatures(APIS[name])
        #: The newest is last: the one that was least recently used may have been closed meanwhile.
        self._idle: list[FrameStream] = []
        self._busy: set[FrameStream] = set()
        #: How many of the idle ones have not been used since the timer was set.
        self._spare = 0
        self._sparing: asyncio.TimerHandle | None = None
        self._is_closed = False
        #: How many seconds the last answered call took, without connecting.
        self.answer_took = 0.0

    async def call(
        self,
        method: Callable[Concatenate[Api, Arguments], Given],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Given:
        """Call a method of the API, with as many attempts as necessary, and return its answer.

        Arguments are passed by position only. Raises UnreachableError when the patience, or the
        limit of the caller (see ``timeouts``), is over; UnexpectedAnswerError; and the error in the
        answer. A refused key or another protocol is final at once, unless the coordinator has
        accepted the key before: see ``acquaintances``. Raises ClosedError if the caller is or
        becomes closed for good.
        """
        assert not named, "the wire knows arguments by their places"
        name = method.__name__
        signature = self._signatures[name]
        attempts = Attempts(self._patience_seconds)
        while True:
            self._check_open()
            message = signature.arguments(*attempts.shorten(arguments))
            try:
                answer = await self._try(encode_call(self._name, name, message), attempts.until)
            except UnreachableError as error:
                self._check_open()
                pause = attempts.find_pause()
                if pause is None:
                    raise (error.refusal or error) from None
                self._on_lost(error)
            else:
                given: Given = self._read(signature, *answer)
                return given
            await asyncio.sleep(pause)

    def close(self, *, for_good: bool = False) -> None:
        """Close all connections. Pending calls lose theirs; a later call opens a new one, unless
        this is ``for_good``.
        """
        self._is_closed = for_good
        if self._sparing:
            self._sparing.cancel()
            self._sparing = None
        self._drop_idle()
        for stream in list(self._busy):
            stream.abort()

    def _read(self, signature: Signature, frame: Body, is_newer: bool) -> Any:
        try:
            return decode_answer(signature, frame, is_newer=is_newer)
        except KeyRefusedError:
            note_revoked(self._address, self._key)
            raise

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError

    async def _try(self, request: Parts, until: float | None) -> tuple[Body, bool]:
        """Make one round trip. Returns the answer, and whether the peer is newer.

        Raises UnreachableError if the connection is lost, or if it is not over at the monotonic
        time ``until``; and the errors of the greeting.
        """
        stream: FrameStream | None = None
        try:
            async with asyncio.timeout(None if until is None else until - time.monotonic()):
                stream = self._take_idle() or await self._connect(until)
                stream.stall_seconds = self.answer_seconds
                begun = time.monotonic()
                await stream.send(request)
                frame = await stream.receive()
                self.answer_took = time.monotonic() - begun
        except BaseException as error:
            if stream:
                self._drop(stream)
            if isinstance(error, EOFError | OSError):
                self._drop_idle()  # they are closed, too, or soon will be
                connected_at = stream.connected_at if stream else None
                raise explain_loss(self._address, error, connected_at) from None
            raise
        self._leave(stream)
        return frame, stream.is_newer

    def _take_idle(self) -> FrameStream | None:
        while self._idle:
            stream = self._idle.pop()
            if stream.is_revoked:
                note_revoked(self._address, self._key)
            if not stream.closed:
                stream.is_resting = False
                self._busy.add(stream)
                self._spare = min(self._spare, len(self._idle))
                return stream
        return None

    async def _connect(self, until: float | None) -> FrameStream:
        tries = Tries(self._address, until)
        while True:
            try:
                return await self._connect_once(until)
            except BusyError as error:
                pause = tries.find_pause(error)
            await asyncio.sleep(pause)
            self._check_open()

    async def _connect_once(self, until: float | None) -> FrameStream:
        try:
            stream = await self._prove(until, self._encryption)
        except (KeyRefusedError, ProtocolError) as error:
            raise explain_stranger(self._address, self._key, error) from None
        note_taken(self._address, self._key)
        try:
            try:
                async with asyncio.timeout(measure_handshake(until)):
                    stream.is_newer = await stream.follow(greet(self._name))
            except (EOFError, ConnectionError) as error:
                raise explain_refusal(self._address, error) from None
        except BaseException:
            self._drop(stream)
            raise
        stream.trust()
        self._on_connected()
        return stream

    async def _prove(self, until: float | None, encryption: Encryption) -> FrameStream:
        """Open a connection on which both sides have proven that they hold the key."""
        stream = await open_stream(self._address, until, encryption)
        self._busy.add(stream)
        try:
            async with asyncio.timeout(measure_handshake(until)):
                key = encryption.bind(self._key, stream.certificate)
                await stream.follow(prove_both(key, find_hint(self._key)))
        except BaseException as error:
            self._drop(stream)
            if isinstance(error, AuthenticationError | EOFError | OSError):
                found = encryption.explain(self._address, error)
                raise await self._look_again(until, encryption, found) from None
            raise
        encryption.note(self._address, is_encrypted=stream.certificate is not None)
        return stream

    async def _look_again(
        self, until: float | None, encryption: Encryption, found: HeadraceError
    ) -> HeadraceError:
        """Find out whether the coordinator closed a connection because of this side's
        certificate.
        """
        if isinstance(found, BusyError) and encryption.certificate is not None:
            try:
                stream = await self._prove(until, encryption.hide_certificate())
                try:
                    async with asyncio.timeout(measure_handshake(until)):
                        await stream.follow(greet(self._name))
                except (EOFError, OSError):
                    pass  # this does not tell anything
                finally:
                    self._drop(stream)
            except HeadraceError as hidden:
                return encryption.explain_hidden(found, hidden)
        return found

    def _leave(self, stream: FrameStream) -> None:
        if stream.closed or stream.unread or len(self._idle) >= IDLE_CONNECTIONS:
            self._drop(stream)
        else:
            stream.is_resting = True
            self._busy.discard(stream)
            self._idle.append(stream)
            if len(self._idle) > 1 and self._sparing is None:
                self._watch_spare()

    def _watch_spare(self) -> None:
        self._spare = len(self._idle)
        self._sparing = asyncio.get_running_loop().call_later(SPARE_SECONDS, self._drop_spare)

    def _drop_spare(self) -> None:
        """Close connections that have not been used for a while: the coordinator has few places."""
        self._sparing = None
        for stream in self._idle[: max(0, min(self._spare, len(self._idle)) - 1)]:
            self._idle.remove(stream)
            self._drop(stream)
        if len(self._idle) > 1:
            self._watch_spare()

    def _drop(self, stream: FrameStream) -> None:
        self._busy.discard(stream)
        stream.abort()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().abort()
