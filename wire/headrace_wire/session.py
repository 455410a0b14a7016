"""A session: one connection after its handshake, served by the loop: a call, its answer, the next.

    socket ─► frames ─► call ─► plain answer, or a run of steps ─► frame ─► socket

While a call is under way nothing more is read; when the other side goes meanwhile, the call is
called off. Neither reading nor writing ever blocks.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from types import GeneratorType
from typing import Any, cast

from headrace_wire.calling import decode_arguments, decode_call, encode_error, encode_value
from headrace_wire.connection import MsgpackConnection
from headrace_wire.errors import HeadraceError
from headrace_wire.frames import FrameReader, FrameWriter
from headrace_wire.loop import GONE, READABLE, Loop, Run
from headrace_wire.parts import Parts
from headrace_wire.signature import Signature

log = logging.getLogger(__name__)


class Session:
    """Lives in the loop's thread. ``on_end`` is told once that it is over: nobody is there any
    more, or said what nobody says who speaks the protocol.
    """

    def __init__(
        self,
        loop: Loop,
        link: MsgpackConnection,
        target: object,
        signatures: dict[str, Signature],
        on_bytes: Callable[[int, int], None],
        on_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._link = link
        self._target = target
        self._signatures = signatures
        self._on_bytes = on_bytes
        self._on_end = on_end
        sock = link.share()
        self._descriptor = sock.fileno()
        self._reader = FrameReader(sock, link.frames)
        self._writer = FrameWriter(sock)
        self._counted = (0, 0)
        self._signature: Signature | None = None
        self._method = ""
        self._run: Run | None = None
        self._unread = self._gone = False
        self._ended = False

    def begin(self) -> None:
        """Watch the connection from now on."""
        self._loop.watch(self._descriptor, self._hear)
        self._hear(select.EPOLLIN)

    def finish(self) -> None:
        """End it, after the answer that is ready, as far as the other side takes it at once."""
        if self._ended:
            return
        self._ended = True
        if self._run:
            self._run.call_off()
        self._loop.forget(self._descriptor)
        self._on_end()

    def _hear(self, event: int) -> None:
        if self._ended:
            return
        try:
            if event & select.EPOLLOUT and self._writer.waits:
                self._writer.push()
            if event & READABLE:
                self._unread = True
            if event & GONE:
                self._gone = True
                if self._signature:
                    self.finish()
                    return
            self._go_on()
        except (EOFError, OSError, ValueError):
            log.debug("a connection ended")
            self.finish()

    def _go_on(self) -> None:
        """Take the next call, if the last one is answered."""
        while not (self._signature or self._writer.waits or self._ended):
            frame = self._reader.take()
            if frame is None:
                if not self._unread:
                    return
                self._unread = self._reader.pull() or self._gone
                continue
            self._call(frame)

    def _call(self, frame: bytearray | bytes) -> None:
        call = decode_call(frame)
        signature = self._signatures.get(call.method)
        if signature is None:
            peer = self._link.peer
            log.warning("dropped %s: it called %.80r, which is not served", peer, call.method)
            self.finish()
            return
        self._signature, self._method = signature, call.method
        try:
            answer = getattr(self._target, self._method)(*decode_arguments(signature, call))
        except Exception as error:  # noqa: BLE001 - told to the caller
            self._answer(None, error)
            return
        if isinstance(answer, GeneratorType):
            run = Run(cast("Any", answer), self._end_run)
            if self._signature:
                self._run = run
        else:
            self._answer(answer, None)

    def _end_run(self, answer: Any, error: BaseException | None) -> None:
        later, self._run = self._run, None
        try:
            self._answer(answer, error)
            if later:
                self._go_on()
        except (EOFError, OSError, ValueError):
            log.debug("a connection ended")
            self.finish()

    def _answer(self, answer: Any, error: BaseException | None) -> None:
        assert self._signature is not None, "a call is under way"
        self._signature = None
        self._writer.put(self._encode(answer, error))
        received, sent = self._counted
        self._counted = (self._reader.bytes_in, self._writer.bytes_out)
        self._on_bytes(self._counted[0] - received, self._counted[1] - sent)

    def _encode(self, answer: Any, error: BaseException | None) -> Parts:
        try:
            if error is None:
                return encode_value(answer)
        except Exception as problem:  # noqa: BLE001 - told to the caller
            error = problem
        if isinstance(error, HeadraceError):
            return encode_error(error)
        log.error("%s failed", self._method, exc_info=error)
        line = f"the coordinator failed at {self._method}; its log says why"
        return encode_error(HeadraceError(line))
