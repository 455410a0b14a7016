"""How a server lets a peer in: it shows the key, speaks this protocol, and asks for an object."""

from __future__ import annotations

from collections.abc import Container

from headrace_wire.encoding import pack
from headrace_wire.errors import ProtocolError
from headrace_wire.greeting import read_call, unpack_frame
from headrace_wire.handshake import (
    Handshake,
    StrangerError,
    answer_challenge,
    deliver_challenge,
)
from headrace_wire.version import PROTOCOL, VERSION


def admit(key: bytes, names: Container[str]) -> Handshake[str]:
    """Shake hands, check the protocol, and return the name of the object asked for.

    Raises AuthenticationError for a peer that does not hold the key; ProtocolError for one of
    another protocol, which has been told so; and EOFError for anything else.
    """
    yield from deliver_challenge(key)
    yield from answer_challenge(key)
    method, arguments = read_call(unpack_frame((yield None)))
    if method != "hello" or len(arguments) != 2:
        raise StrangerError("a peer did not say hello")
    protocol, version = arguments
    if protocol != PROTOCOL:
        error = ProtocolError(
            f"the other side speaks protocol {_quote(protocol)} (headrace {_quote(version)}), "
            f"the coordinator {PROTOCOL} (headrace {VERSION}): "
            "install one version on both"
        )
        yield pack(("#ERROR", error))
        raise error
    yield pack(("#RETURN", [PROTOCOL, VERSION]))
    method, arguments = read_call(unpack_frame((yield None)))
    name = arguments[0] if len(arguments) == 1 else None
    if method != "accept_connection" or not isinstance(name, str) or name not in names:
        raise StrangerError("a peer asked for nothing that is served")
    yield pack(("#RETURN", None))
    return name


def _quote(value: object) -> str:
    """What a peer says of itself, fit for one line."""
    text = str(value)[:40]
    return text if text.isprintable() else repr(text)
