"""Encodes calls and their answers as frames, for both sides and every way of waiting.

    (name, method, arguments, {}) ─►  ◄─ ("#RETURN", value) or ("#ERROR", error)

This is the format of BaseManager; arguments and values are those of the method's signature.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Raw
from msgspec.msgpack import decode as decode_msgpack
from msgspec.structs import astuple

from headrace_wire import greeting
from headrace_wire.address import Address
from headrace_wire.connection import MsgpackConnection, check_frame, measure_handshake
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import (
    HeadraceError,
    ProtocolError,
    UnexpectedAnswerError,
    UnreachableError,
)
from headrace_wire.framing import MAX_FRAME_BYTES
from headrace_wire.greeting import NO_ANSWER, read_answer
from headrace_wire.message import REFUSALS, Message, Packed, decode, decode_trusted
from headrace_wire.parts import Parts
from headrace_wire.payloads import MAX_STRUCTURE_BYTES, encode, split
from headrace_wire.refusal import count_entries
from headrace_wire.signature import Signature

RETURNED, RAISED = "#RETURN", "#ERROR"


class Call(Message):
    """A call as it arrives. Its arguments are decoded when the caller is known."""

    name: Raw
    method: str
    arguments: Raw
    named: Annotated[dict[str, object], Meta(max_length=0)]


class _Answer(Message):
    """An answer as it arrives, before it is known whether it is a value or an error."""

    kind: str
    value: Raw


#: No method is called with named arguments.
_NOTHING_NAMED: tuple[dict[str, object]] = ({},)


def greet(link: MsgpackConnection, name: str, until: float | None = None) -> None:
    """Agree on the protocol, and request a served object. The connection is closed if that fails.

    This ends no later than the monotonic time ``until``, if given.
    """
    try:
        link.set_deadline(measure_handshake(until))
        link.is_newer = link.follow(greeting.greet(name))
    except BaseException:
        link.close()
        raise
    link.set_deadline(None)


def encode_call(name: str, method: str, arguments: object) -> Parts:
    """Encode a call as a frame. Raises UsageError if it is too large for the network."""
    return check_frame(encode((name, method), arguments, MAX_STRUCTURE_BYTES, _NOTHING_NAMED))


def decode_call(frame: Packed) -> tuple[Call, memoryview | None]:
    """Return the call in a frame, and the payloads after it. Raises EOFError if it is not a
    call.
    """
    try:
        structure, payloads = split(frame, MAX_STRUCTURE_BYTES)
        call = decode_msgpack(structure, type=Call)
    except (*REFUSALS, ValueError):
        raise EOFError("a malformed call arrived") from None
    if count_entries(memoryview(call.arguments)) < 0:
        raise EOFError("a malformed call arrived")
    return call, payloads


def decode_arguments(
    signature: Signature, call: Call, payloads: memoryview | None, *, is_newer: bool = False
) -> tuple[Any, ...]:
    """Decode the arguments of a call of this method. Raises ProtocolError and BoundsError.

    A peer that ``is_newer`` may send more than is known here.
    """
    packed = memoryview(call.arguments)
    return astuple(decode(signature.arguments, packed, payloads, is_newer=is_newer))


def encode_value(value: object) -> Parts:
    """Encode what a method returned as a frame. Raises UsageError if it is too large."""
    return check_frame(encode((RETURNED,), value, MAX_FRAME_BYTES))


def encode_error(error: HeadraceError) -> Parts:
    """Encode what a method raised as a frame."""
    return [pack((RAISED, error))]


def decode_answer(signature: Signature, frame: Packed, *, is_newer: bool = False) -> Any:
    """Return what a method returned. Raises what it raised, and UnexpectedAnswerError for an
    invalid answer, because the greeting has shown that the peer speaks the protocol. A coordinator
    that ``is_newer`` may send more than is known here.
    """
    try:
        structure, payloads = split(frame, MAX_FRAME_BYTES)
        kind = decode_msgpack(structure, type=_Answer).kind
        answer = None if kind == RETURNED else unpack(structure)
    except (*REFUSALS, ValueError):
        raise UnexpectedAnswerError(NO_ANSWER) from None
    try:
        if answer is not None:
            return read_answer(answer)
        return decode_trusted(signature.answer, structure, payloads, is_newer=is_newer).value
    except ProtocolError as error:
        raise UnexpectedAnswerError(error.message) from None


def explain_loss(
    address: Address, error: Exception, connected_at: float | None = None
) -> UnreachableError:
    """Return the caller's error for a connection that was lost."""
    silent = "timed out" if isinstance(error, TimeoutError) else "the connection was closed"
    # OpenSSL's message about a connection that ended would not help anybody.
    why = silent if hasattr(error, "library") else str(error) or silent
    lost = UnreachableError(f"the coordinator at {address} went away ({why})")
    lost.connected_at = connected_at
    return lost
