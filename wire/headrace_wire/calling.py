"""Calls and their answers as frames, as both sides and every way of waiting for them need it.

    (name, method, arguments, {}) ─►  ◄─ ("#RETURN", value) or ("#ERROR", error)

They are BaseManager's; arguments and values are those of the method's signature.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw
from msgspec.msgpack import decode as decode_msgpack

from headrace_wire.address import Address
from headrace_wire.connection import encode_frame
from headrace_wire.encoding import unpack
from headrace_wire.errors import HeadraceError, ProtocolError, UnreachableError
from headrace_wire.greeting import NO_ANSWER, read_answer
from headrace_wire.message import REFUSALS, Message, decode, decode_trusted, dump
from headrace_wire.parts import Parts
from headrace_wire.refusal import is_array
from headrace_wire.signature import Signature

RETURNED, RAISED = "#RETURN", "#ERROR"

Frame = bytes | bytearray | memoryview


class Call(Message):
    """What arrives at a server: the arguments are decoded once it is known whose they are."""

    name: Raw
    method: str
    arguments: Raw
    named: Raw


class Answer(Message):
    """What arrives at a caller, before it is known whether it is a value or an error."""

    kind: str
    value: Raw


#: An empty map, packed: nothing is called with named arguments.
_NOTHING_NAMED = b"\x80"


def encode_call(name: str, method: str, arguments: object) -> Parts:
    """A call as a frame. Raises UsageError for one over the cap."""
    named: dict[str, object] = {}
    return encode_frame((name, method, dump(arguments), named))


def decode_call(frame: Frame) -> Call:
    """The call in a frame. Raises EOFError for what is no call."""
    try:
        call = decode_msgpack(frame, type=Call)
    except REFUSALS:
        raise EOFError("a malformed call arrived") from None
    if bytes(call.named) != _NOTHING_NAMED or not is_array(memoryview(call.arguments)):
        raise EOFError("a malformed call arrived")
    return call


def decode_arguments(signature: Signature, call: Call) -> list[Any]:
    """The arguments of a call of this method. Raises ProtocolError and BoundsError."""
    arguments: Any = decode(signature.arguments, memoryview(call.arguments))
    return [getattr(arguments, name) for name in signature.arguments.__struct_fields__]


def encode_value(value: object) -> Parts:
    """The frame that says what a method returned. Raises UsageError for one over the cap."""
    return encode_frame((RETURNED, dump(value)))


def encode_error(error: HeadraceError) -> Parts:
    """The frame that says what a method raised."""
    return encode_frame((RAISED, error))


def decode_answer(signature: Signature, frame: Frame) -> Any:
    """What a method returned. Raises what it raised, and ProtocolError for what is no answer."""
    try:
        kind = decode_msgpack(frame, type=Answer).kind
    except REFUSALS:
        raise ProtocolError(NO_ANSWER) from None
    if kind == RETURNED:
        return decode_trusted(signature.answer, frame).value
    try:
        answer = unpack(frame)
    except ValueError:
        raise ProtocolError(NO_ANSWER) from None
    return read_answer(answer)


def explain_loss(address: Address, error: Exception) -> UnreachableError:
    """What a connection that was lost on the way means to the caller."""
    silent = "timed out" if isinstance(error, TimeoutError) else "the connection was closed"
    why = str(error) or silent
    return UnreachableError(f"the coordinator at {address} went away ({why})")
