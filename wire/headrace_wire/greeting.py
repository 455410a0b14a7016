"""The greeting, by which a client and a server agree on the protocol and on a served object.

It is the same in every version of the protocol: a call and its answer are plain values in it.
"""

from __future__ import annotations

from multiprocessing import AuthenticationError
from typing import Any, cast

from headrace_wire.address import Address
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import (
    HeadraceError,
    KeyRefusedError,
    ProtocolError,
    UnreachableError,
)
from headrace_wire.framing import Body
from headrace_wire.handshake import Handshake
from headrace_wire.version import PROTOCOL, VERSION

#: What is said of an answer that is none.
NO_ANSWER = "the coordinator answered with something that is no answer"


def greet(name: str) -> Handshake[None]:
    """Agree on the protocol, and ask for a served object. Raises ProtocolError, and EOFError."""
    calls: list[list[Any]] = [
        [None, "hello", [PROTOCOL, VERSION], {}],
        [None, "accept_connection", [name], {}],
    ]
    for call in calls:
        yield pack(call)
        read_answer(unpack_frame((yield None)))


def unpack_frame(frame: Body) -> Any:
    """The value in a frame. Raises EOFError for anything malformed."""
    try:
        return unpack(frame)
    except ValueError as error:
        raise EOFError(f"a malformed frame arrived: {error}") from None


def read_answer(answer: Any) -> Any:
    """The value in a ``(kind, value)`` of BaseManager's protocol. Raises what a ``#ERROR`` says."""
    match answer:
        case ["#RETURN", value]:
            return value
        case ["#ERROR", HeadraceError() as error]:
            raise error
        case _:
            raise ProtocolError(NO_ANSWER)


def read_call(call: object) -> tuple[object, list[object]]:
    """The method and the arguments of an ``(ident, method, args, kwds)`` of BaseManager's protocol.

    Raises EOFError for anything else.
    """
    if not isinstance(call, list) or len(cast("list[object]", call)) != 4:
        raise EOFError("a malformed call arrived")
    _, method, arguments, named = cast("list[object]", call)
    if not isinstance(arguments, list) or named:
        raise EOFError("a malformed call arrived")
    return method, cast("list[object]", arguments)


def explain_silence(address: tuple[str, int], why: str) -> UnreachableError:
    """What it means to the caller that nothing accepts connections at an address."""
    return UnreachableError(f"no coordinator answers at {Address(*address)} ({why})")


def explain_refusal(address: tuple[str, int], error: Exception) -> HeadraceError:
    """What a handshake that failed means to the caller."""
    if isinstance(error, AuthenticationError):
        return KeyRefusedError(
            f"the coordinator at {Address(*address)} holds another key: copy its key file to this "
            "side and name it with key_file= (--key-file on the command line)"
        )
    return UnreachableError(
        f"what answers at {Address(*address)} did not finish the handshake of a headrace "
        "coordinator"
    )
