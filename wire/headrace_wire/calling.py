"""What callers say and hear, whichever way they wait for it: the greeting, answers and losses."""

from __future__ import annotations

from typing import Any

from headrace_wire.address import Address
from headrace_wire.connection import MsgpackConnection, measure_handshake
from headrace_wire.errors import HeadraceError, ProtocolError, UnreachableError
from headrace_wire.version import PROTOCOL, VERSION


def greet(link: MsgpackConnection, name: str, until: float | None = None) -> None:
    """Agree on the protocol, and ask for a served object; closes the connection if that fails.

    No later than the monotonic moment ``until``, if there is one.
    """
    try:
        link.set_deadline(measure_handshake(until))
        link.send((None, "hello", [PROTOCOL, VERSION], {}))
        read_answer(link.recv())
        link.send((None, "accept_connection", [name], {}))
        read_answer(link.recv())
    except BaseException:
        link.close()
        raise
    link.set_deadline(None)


def read_answer(answer: Any) -> Any:
    """The value in a ``(kind, value)`` of BaseManager's protocol. Raises what a ``#ERROR`` says."""
    match answer:
        case ["#RETURN", value]:
            return value
        case ["#ERROR", HeadraceError() as error]:
            raise error
        case _:
            raise ProtocolError("the coordinator answered with something that is no answer")


def explain_loss(address: Address, error: Exception) -> UnreachableError:
    """What a connection that was lost on the way means to the caller."""
    why = str(error) or "the connection was closed"
    return UnreachableError(f"the coordinator at {address} went away ({why})")
