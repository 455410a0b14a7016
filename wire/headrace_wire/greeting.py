"""The greeting, in which a client and a server agree on the protocol and on a served object.

    (None, "hello", [protocol, version], {}) ─►         ◄─ ("#RETURN", [protocol, version])
    (None, "accept_connection", [name], {}) ─►          ◄─ ("#RETURN", None)

It is the same in every version of the protocol: its calls and answers are plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from multiprocessing import AuthenticationError
from typing import Any

from msgspec import Struct

from headrace_wire.address import Address
from headrace_wire.compatibility import (
    check_coordinator,
    check_peer,
    explain_first_handshake,
    explain_first_version,
)
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import (
    OTHER_KEY,
    BusyError,
    HeadraceError,
    KeyRefusedError,
    ProtocolError,
    UnreachableError,
)
from headrace_wire.framing import Body, FrameTooLargeError
from headrace_wire.handshake import (
    FirstVersionError,
    Handshake,
    StrangerError,
    answer_challenge,
    find_hinted_key,
    meet_first_version,
)
from headrace_wire.keyring import Keys
from headrace_wire.open_files import explain_limit, says_limit_reached
from headrace_wire.roles import Holder
from headrace_wire.version import PROTOCOL, VERSION

#: The message about an invalid answer.
NO_ANSWER = "the coordinator answered with something that is no answer"

#: What a client says about itself.
HELLO: list[Any] = [PROTOCOL, VERSION]


def greet(name: str) -> Handshake[bool]:
    """Agree on the protocol, and request a served object.

    Returns whether the coordinator is of a newer minor version. Raises ProtocolError, and EOFError.
    """
    try:
        answer = yield from _ask("hello", HELLO)
    except ProtocolError as error:
        raise ProtocolError(explain_first_version(error.message)) from None
    match answer:
        case [protocol, version]:
            order = check_coordinator(protocol, version, own=str(HELLO[1]))
        case _:
            raise ProtocolError(NO_ANSWER)
    yield from _ask("accept_connection", [name])
    return order > 0


def _ask(method: str, arguments: list[Any]) -> Handshake[Any]:
    call: list[Any] = [None, method, arguments, {}]
    yield pack(call)
    return read_answer(unpack_frame((yield None)))


class Admitted(Struct, frozen=True):
    """A client that was admitted, and the name of the served object that it requests.

    ``version`` is its version of headrace, and ``order`` says whether that is newer (1), older (-1)
    or the same (0).
    """

    holder: Holder
    name: str
    version: str
    order: int


def admit(
    find_keys: Callable[[bytes], Keys],
    names: Container[str],
    find_room: Callable[[Holder], None] | None = None,
) -> Handshake[Admitted]:
    """Admit a client that holds one of some keys: perform the handshake, and check the protocol.

    ``find_keys`` is called with the client's hint about its key; see ``find_hinted_key``.
    ``find_room`` is called before the client is admitted, and raises BusyError if there is no room,
    and KeyRefusedError. Raises AuthenticationError for a client that holds none of the keys;
    ProtocolError for another protocol, BusyError and KeyRefusedError, which are also sent to the
    client; and EOFError for anything else.
    """
    keys: Keys = {}

    def find(hint: bytes) -> Keys:
        nonlocal keys
        keys = find_keys(hint)
        return keys

    try:
        key = yield from find_hinted_key(find)
    except FirstVersionError as first:
        yield from meet_first_version(first.key)
        yield from _hear_hello()
        raise StrangerError("a peer of this version shakes hands as the first one did") from None
    yield from answer_challenge(key)
    version, order = yield from _hear_hello()
    yield pack(("#RETURN", [PROTOCOL, VERSION]))
    match unpack_frame((yield None)):
        case [_, "accept_connection", [str(name)], named] if not named and name in names:
            try:
                if find_room:
                    find_room(keys[key])
            except (BusyError, KeyRefusedError) as error:
                yield pack(("#ERROR", error))
                raise
            yield pack(("#RETURN", None))
            return Admitted(keys[key], name, version, order)
        case _:
            raise StrangerError("a peer asked for nothing that is served")


def _hear_hello() -> Handshake[tuple[str, int]]:
    """Receive a client's version, and compare it; see ``check_peer``. Raises ProtocolError, which
    is also sent to the client, and StrangerError.
    """
    match unpack_frame((yield None)):
        case [_, "hello", [protocol, version], named] if not named:
            pass
        case _:
            raise StrangerError("a peer did not say hello")
    try:
        return str(version)[:40], check_peer(protocol, version, own=VERSION)
    except ProtocolError as error:
        yield pack(("#ERROR", error))
        raise


def unpack_frame(frame: Body) -> Any:
    """Return the value in a frame. Raises EOFError for invalid data."""
    try:
        return unpack(frame)
    except ValueError as error:
        raise EOFError(f"a malformed frame arrived: {error}") from None


def read_answer(answer: Any) -> Any:
    """Return the value in a ``(kind, value)`` of BaseManager's protocol. Raises the error in an
    ``#ERROR``.
    """
    match answer:
        case ["#RETURN", value]:
            return value
        case ["#ERROR", HeadraceError() as error]:
            raise error
        case _:
            raise ProtocolError(NO_ANSWER)


def says_revoked(frame: Body) -> bool:
    """Return whether a frame that was not requested says that the key is no longer valid."""
    try:
        read_answer(unpack_frame(frame))
    except KeyRefusedError:
        return True
    except (HeadraceError, EOFError):
        pass
    return False


def explain_silence(address: tuple[str, int], error: Exception) -> UnreachableError:
    """Return the caller's error if nothing accepts connections at an address."""
    if says_limit_reached(error):
        return UnreachableError(
            f"no connection to {Address(*address)} can be opened: {explain_limit()}"
        )
    why = getattr(error, "strerror", None) or str(error) or "timed out"
    return UnreachableError(f"no coordinator answers at {Address(*address)} ({why})")


def explain_refusal(address: tuple[str, int], error: Exception) -> HeadraceError:
    """Return the caller's error for a handshake that failed."""
    if isinstance(error, AuthenticationError):
        return KeyRefusedError(
            f"the coordinator at {Address(*address)} holds another key, or this one was revoked: "
            f"copy its key file to this side, or {OTHER_KEY}"
        )
    if isinstance(error, FirstVersionError):
        return ProtocolError(explain_first_handshake(Address(*address)))
    if isinstance(error, EOFError | ConnectionError) and not isinstance(
        error, StrangerError | FrameTooLargeError
    ):
        return BusyError(
            f"what answers at {Address(*address)} closes connections before the handshake of a "
            "headrace coordinator is over: it has no room, as its log says, or is something else"
        )
    return UnreachableError(
        f"what answers at {Address(*address)} did not finish the handshake of a headrace "
        "coordinator (it is something else, or a coordinator that hangs or is stopped)"
    )
