"""Calls from a loop: methods of a served object as generators of steps.

    caller = QueueManager(address, key).loop_jobs(loop)
    grant = yield from caller.call(JobQueueApi.lease, request)

    call ─► a connection, dialled in a thread of its own if there is none ─► exchange ─► answer
      ▲                                                                         │ lost
      └─────────────────────────────── pause ◄──────────────────────────────────┘

What ``Proxy``, ``Patience`` and ``Caller`` of the manager are for threads, this is for a loop. A
call that is called off ends its trying, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from headrace_wire.address import Address
from headrace_wire.api import APIS
from headrace_wire.calling import decode_answer, encode_call, explain_loss
from headrace_wire.connection import MsgpackConnection, ask_for, dial
from headrace_wire.errors import ProtocolError, UnexpectedAnswerError, UnreachableError
from headrace_wire.loop import Answer, Loop
from headrace_wire.loop_connection import Exchange, LoopConnection
from headrace_wire.parts import Parts
from headrace_wire.pauses import draw_pauses
from headrace_wire.signature import Signature, read_signatures
from headrace_wire.steps import Aside, Pause

Api = TypeVar("Api")
Arguments = ParamSpec("Arguments")
Given = TypeVar("Given")


class LoopCaller(Generic[Api]):
    """Makes one call at a time, over a connection that is kept for the next.

    Lives in the loop's thread. An answer of which not a byte comes for ``answer_seconds``, which
    may be set between calls, counts as lost. A call goes on trying for ``patience_seconds`` when
    the coordinator is away; ``on_lost`` is told at each failed attempt that will be repeated.
    """

    def __init__(
        self,
        loop: Loop,
        name: str,
        address: Address,
        key: bytes,
        *,
        answer_seconds: float,
        patience_seconds: float,
        on_lost: Callable[[UnreachableError], None],
    ) -> None:
        self._loop = loop
        self._name = name
        self.answer_seconds = answer_seconds
        self._signatures = read_signatures(APIS[name])
        self._address = address
        self._key = key
        self._patience_seconds = patience_seconds
        self._on_lost = on_lost
        self._connection: LoopConnection | None = None

    def call(
        self,
        method: Callable[Concatenate[Api, Arguments], Given],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Answer[Given]:
        """Give the answer to a method of the API, however many attempts it takes.

        Arguments go by their places alone. Raises UnreachableError when the patience is at its end,
        UnexpectedAnswerError, and what the answer says; a refused key or another protocol is final
        at once.
        """
        assert not named, "the wire knows arguments by their places"
        signature = self._signatures[method.__name__]
        request = encode_call(self._name, method.__name__, signature.arguments(*arguments))
        pauses = draw_pauses(self._patience_seconds)
        while True:
            try:
                given: Given = yield from self._try(request, signature)
            except UnreachableError as error:
                pause = next(pauses, None)
                if pause is None:
                    raise
                self._on_lost(error)
            else:
                return given
            yield Pause(self._loop, pause)

    def close(self) -> None:
        """Close the connection; a later call dials again."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _try(self, request: Parts, signature: Signature) -> Answer[Any]:
        """One round trip. Raises UnreachableError when the connection is lost on the way,
        UnexpectedAnswerError for an answer that is none, and what the answer says.
        """
        try:
            if self._connection is None or self._connection.closed:
                self._connection = yield from self._connect()
            frame: bytes = yield Exchange(self._connection, request, self.answer_seconds)
        except (EOFError, OSError) as error:
            self.close()
            raise explain_loss(self._address, error) from None
        try:
            return decode_answer(signature, frame)
        except ProtocolError as error:
            self.close()
            # What both sides agreed on when they met is not in question any more.
            raise UnexpectedAnswerError(error.message) from None

    def _connect(self) -> Answer[LoopConnection]:
        link: MsgpackConnection = yield Aside(self._loop, self._dial, MsgpackConnection.close)
        return LoopConnection(self._loop, link)

    def _dial(self) -> MsgpackConnection:
        link = dial(self._address, authkey=self._key)
        ask_for(link, self._name)
        return link
