"""A session: one connection after its handshake. A call, its answer, the next call.

    receive ─► unpack ─► method of the served object, awaited if it is a coroutine ─► send

While a call is under way nothing more is read. When the other side goes meanwhile, the call is
cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from inspect import iscoroutine
from typing import Any

from headrace_wire.calling import decode_arguments, decode_call, encode_error, encode_value
from headrace_wire.errors import HeadraceError
from headrace_wire.framing import Body
from headrace_wire.parts import Parts
from headrace_wire.signature import Signature
from headrace_wire.stream import FrameStream

log = logging.getLogger(__name__)


class Session:
    """Serves the calls of one connection.

    ``on_bytes(received, sent)`` is called after every call. ``is_idle``: no call is under way.
    """

    def __init__(
        self,
        stream: FrameStream,
        target: object,
        signatures: dict[str, Signature],
        on_bytes: Callable[[int, int], None] | None,
    ) -> None:
        self._stream = stream
        self._target = target
        self._signatures = signatures
        self._on_bytes = on_bytes
        self._task: asyncio.Task[Any] | None = None
        self._is_ending = False
        self.is_idle = True

    def end(self) -> None:
        """Take no call after the one that is under way."""
        self._is_ending = True

    async def run(self) -> None:
        """Serve until the other side goes, or calls what is not served.

        Raises EOFError, OSError and ValueError of a connection that has come to its end.
        """
        self._task = asyncio.current_task()
        stream, received, sent = self._stream, 0, 0
        while not self._is_ending:
            frame = await stream.receive()
            self.is_idle = False
            answer = await self._answer(frame)
            if answer is None:
                return
            await stream.send(answer)
            if self._on_bytes:
                self._on_bytes(stream.bytes_in - received, stream.bytes_out - sent)
            received, sent = stream.bytes_in, stream.bytes_out
            self.is_idle = True

    async def _answer(self, frame: Body) -> Parts | None:
        """Return the answer to a call, or None to one that cannot be answered."""
        call, payloads = decode_call(frame)
        signature = self._signatures.get(call.method)
        if signature is None:
            peer = self._stream.peer
            log.warning("dropped %s: it called %.80r, which is not served", peer, call.method)
            return None
        try:
            arguments = decode_arguments(signature, call, payloads)
            answer = getattr(self._target, call.method)(*arguments)
            if iscoroutine(answer):
                answer = await self._wait(answer)
            return encode_value(answer)
        except HeadraceError as error:
            return encode_error(error)
        except Exception:
            log.exception("%s failed", call.method)
            line = f"the coordinator failed at {call.method}; its log says why"
            return encode_error(HeadraceError(line))

    async def _wait(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return a call's answer, unless the other side goes before that."""
        assert self._task, "calls are made while the session runs"
        if self._stream.closed:
            self._task.cancel()
        self._stream.on_lost = self._task.cancel
        try:
            return await call
        finally:
            self._stream.on_lost = None
