"""A session serves one connection after its handshake: it answers one call after another.

    receive ─► unpack ─► method of the served object, awaited if it is a coroutine ─► send

While a call is pending, nothing more is read. If the peer disconnects meanwhile, the call is
cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from inspect import iscoroutine
from typing import Any

from msgspec import Struct, field

from headrace_wire.calling import decode_arguments, decode_call, encode_error, encode_value
from headrace_wire.certificates import MARK, OTHER_CERTIFICATE
from headrace_wire.denials import Denials
from headrace_wire.errors import (
    OTHER_KEY,
    BusyError,
    HeadraceError,
    KeyRefusedError,
    NotAllowedError,
    UnknownMethodError,
)
from headrace_wire.framing import Body
from headrace_wire.pacing import PACED, Pace
from headrace_wire.parts import Parts
from headrace_wire.roles import ADMIN, TASK, Holder, set_caller
from headrace_wire.signature import Signature
from headrace_wire.stream import FrameStream
from headrace_wire.turn_limit import CROWDED, TurnLimit
from headrace_wire.version import VERSION

log = logging.getLogger(__name__)

#: Records who did what. Without a handler, and in the log for people, it writes nothing.
audit = logging.getLogger("headrace.audit")
audit.propagate = False
audit.addHandler(logging.NullHandler())


class Session(Struct, eq=False):
    """Serves the calls of one connection.

    ``on_bytes(received, sent)`` is called after every call. ``holder`` is the holder of the key in
    the handshake: calls that its role may not make are answered with NotAllowedError.
    """

    stream: FrameStream
    holder: Holder
    target: object
    signatures: dict[str, Signature]
    on_bytes: Callable[[int, int], None] | None
    #: The holder of the key, if a certificate says more about who that is.
    key_holder: Holder | None = None
    #: The peer's version, and whether it is newer (1), older (-1) or the same (0).
    version: str = VERSION
    order: int = 0
    pace: Pace = field(default_factory=Pace)
    denials: Denials = field(default_factory=Denials)
    turn_limit: TurnLimit = field(default_factory=TurnLimit)
    #: Whether no call is pending, and whether none is accepted after it.
    is_idle: bool = True
    is_ending: bool = False
    #: Whether the key is no longer valid.
    is_revoked: bool = False
    #: When its last call was answered, or it began (monotonic).
    _idle_since: float = field(default_factory=time.monotonic)
    _task: asyncio.Task[Any] | None = None
    #: Refused calls that were logged: once for each method, not for each call.
    _refused: set[str] = field(default_factory=set[str])

    async def run(self) -> None:
        """Serve until the peer disconnects, or calls what is not served.

        Raises EOFError, OSError and ValueError if the connection has ended.
        """
        self._task = asyncio.current_task()
        set_caller(self.holder)
        stream, received, sent = self.stream, 0, 0
        while not self.is_ending:
            frame = await stream.receive()
            self.is_idle = False
            answer = await self._answer(frame)
            del frame  # its memory is freed while waiting for the next one
            if answer is None:
                return
            await stream.send(answer)
            del answer
            if self.on_bytes:
                self.on_bytes(stream.bytes_in - received, stream.bytes_out - sent)
            received, sent = stream.bytes_in, stream.bytes_out
            self.is_idle = True
            self._idle_since = time.monotonic()

    def say_revoked(self) -> None:
        """Close the connection with the reason, even if nothing was requested."""
        name = (self.key_holder or self.holder).name
        self.stream.send_last(
            encode_error(
                KeyRefusedError(
                    f"the coordinator takes the key of this side no more: {name} was revoked; "
                    f"{OTHER_KEY}"
                )
            )
        )

    def measure_idle(self) -> float:
        """Return for how many seconds no call has been pending; 0 while there is one."""
        idle = self.is_idle and not self.stream.unread
        return time.monotonic() - self._idle_since if idle else 0.0

    async def _answer(self, frame: Body) -> Parts | None:
        """Return the answer to a call, or None if it cannot be answered."""
        call, payloads = decode_call(frame)
        signature = self.signatures.get(call.method)
        if signature is None:
            return self._answer_unknown(call.method)
        if not self.holder.may_call(signature.roles):
            return encode_error(self._refuse(call.method, signature))
        try:
            if call.method in CROWDED and not self.turn_limit.enter():
                await self._wait(self.turn_limit.wait())
            arguments = decode_arguments(signature, call, payloads, is_newer=self.order > 0)
            if signature.answers_at_length and self.stream.lacks_room:
                await self._wait(self.stream.find_room())
            if call.method in PACED:
                looked: Parts = await self._wait(self._look(call.method, arguments))
                return looked
            answer = getattr(self.target, call.method)(*arguments)
            if iscoroutine(answer):
                answer = await self._wait(answer)
            if signature.audited:
                self._note(call.method, arguments)
            return encode_value(answer)
        except Exception as error:  # noqa: BLE001 - the caller is told of it
            return encode_error(self._translate(call.method, error))

    def _translate(self, method: str, error: Exception) -> HeadraceError:
        """Return the error that the caller gets for one that its call raised, and log others."""
        if isinstance(
            error, NotAllowedError
        ):  # its role may call it, but not for this worker or job
            self._note_refusal(method)
        if isinstance(error, HeadraceError):
            return error
        if isinstance(error, MemoryError):
            log.error("%s failed: there is no memory for it", method)
            return BusyError("the coordinator has no memory for this call just now")
        log.error("%s failed", method, exc_info=error)
        return HeadraceError(f"the coordinator failed at {method}; its log says why")

    async def _look(self, method: str, arguments: tuple[Any, ...]) -> Parts:
        async def look() -> Parts:
            answer = getattr(self.target, method)(*arguments)
            return encode_value(await answer if iscoroutine(answer) else answer)

        return await self.pace.take(self.holder.name, method, look)

    def _note(self, method: str, arguments: tuple[Any, ...]) -> None:
        """Write to the audit log what was done, and to which job."""
        holder, (about, *_) = self.holder, arguments
        job = getattr(about, "id", about)
        audit.info("%s (%s) at %s: %s %s", holder.name, holder.role, self.stream.peer, method, job)

    def _answer_unknown(self, method: str) -> Parts | None:
        """Return the answer to a call of a method that another minor version knows, and this one
        does not; None if there is no such method.
        """
        if not self.order:
            line = f"dropped {self.stream.peer}: it called {method!r:.80}, which is not served"
            self.denials.note(self.holder, line, (log,))
            return None
        part = "the coordinator" if self.order > 0 else "this side"
        return encode_error(
            UnknownMethodError(
                f"the coordinator is headrace {VERSION} and does not know {method[:80]!r}, which "
                f"headrace {self.version} calls: upgrade {part}"
            )
        )

    def _note_refusal(self, method: str) -> None:
        """Write a refused call to both logs."""
        holder, peer = self.holder, self.stream.peer
        if method not in self._refused:
            self._refused.add(method)
            line = f"{holder.name} ({holder.role}) at {peer} was refused: {method}"
            self.denials.note(holder, line, (log, audit))

    def _refuse(self, method: str, signature: Signature) -> NotAllowedError:
        holder = self.holder
        self._note_refusal(method)
        allowed = " or ".join(", ".join([ADMIN, *sorted(signature.roles - {TASK})]).rsplit(", ", 1))
        shown, advice = f"this key ({holder.name})", OTHER_KEY
        if holder.role == TASK:
            shown = "a task"
        elif holder.mark == MARK:
            shown, advice = f"this certificate ({holder.name})", OTHER_CERTIFICATE
            if self.key_holder and not self.key_holder.may_call(signature.roles):
                advice = f"{advice}, and {OTHER_KEY}"
        return NotAllowedError(
            f"the coordinator refused {method!r}, which is for role {allowed}: {shown} has role "
            f"{holder.role}; {advice}"
        )

    async def _wait(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return the answer to a call, unless the peer disconnects before."""
        assert self._task, "calls are made while the session runs"
        if self.stream.closed:
            self._task.cancel()
        self.stream.on_lost = self._task.cancel
        try:
            return await call
        finally:
            self.stream.on_lost = None
