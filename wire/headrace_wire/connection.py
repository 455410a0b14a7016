"""The third serializer of multiprocessing.managers: msgpack frames over a TCP socket.

``managers.listener_client`` maps a serializer's name to its (Listener, Client) pair. The pair
here makes connections that pack and unpack with msgpack, so that nothing that arrives is ever
unpickled; that cap every frame at the length in its header, before any memory is taken; that have
a deadline, or a limit to standing still, on reads and writes; and that send header and body in one
write with Nagle's algorithm off (measured elsewhere as 44 ms against 0.06 ms for messages of 16 to
40 kB).

Framing is that of multiprocessing.connection: a signed 32-bit length in network order, or -1
followed by an unsigned 64-bit one.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Sequence
from multiprocessing import AuthenticationError, connection, managers
from typing import Any

from headrace_wire.address import Address
from headrace_wire.encoding import pack_extension, unpack
from headrace_wire.errors import KeyRefusedError, UnreachableError, UsageError
from headrace_wire.frames import EAGER_BYTES, FrameTooLargeError
from headrace_wire.lookup import Found, look_up
from headrace_wire.parts import Parts, measure, pack_parts, send_some

#: Bytes in one frame once both sides have shown that they hold the key.
MAX_FRAME_BYTES = 256 << 20

#: Bytes in one frame before that; challenges and digests are far shorter.
MAX_HANDSHAKE_FRAME_BYTES = 4 << 10

#: Seconds for connecting and for the whole handshake, on either side.
HANDSHAKE_SECONDS = 5.0

#: Seconds that are left at least when a socket is told how long it may take: 0 would not block.
SHORTEST_SECONDS = 0.001

#: What the standard library says, from 3.12 on, of a peer that does not begin with a challenge.
NO_CHALLENGE = "expected challenge"

#: A host that vanished without a word is noticed after about two minutes, not the system's two
#: hours: probes after this many idle seconds, this many seconds apart, so many of them.
KEEPALIVE = (
    (socket.TCP_KEEPIDLE, 60),
    (socket.TCP_KEEPINTVL, 15),
    (socket.TCP_KEEPCNT, 4),
)

#: What was sent and is not confirmed by the other host within this many seconds ends a connection;
#: without it a link that was cut holds a sender for a quarter of an hour (RFC 5482).
UNCONFIRMED_SECONDS = 60

#: The name under which the pair is registered.
SERIALIZER = "msgpack"


def encode_frame(value: object) -> Parts:
    """Pack a value for one frame. Raises UsageError for one over the cap, and what pack raises.

    Text that is no UTF-8, such as a file's name, is escaped: it is for people.
    """
    frame = pack_parts(value, default=pack_extension, unicode_errors="backslashreplace")
    length = measure(frame)
    if length > MAX_FRAME_BYTES:
        raise UsageError(
            f"a message of {length} bytes is too large for the network, which takes "
            f"{MAX_FRAME_BYTES}: send less at a time"
        )
    return frame


class Frame:
    """What Connection.recv_bytes wants of a received buffer: one method."""

    __slots__ = ("body",)

    def __init__(self, body: bytearray) -> None:
        self.body = body

    def getvalue(self) -> bytes:
        return bytes(self.body)


class OwnedSocket(socket.socket):
    """Closes itself, without a ResourceWarning, when it is let go.

    A client's connection lives as long as its thread and its proxy do; where an exception's
    traceback held them last, the garbage collector takes connection and socket in any order.
    """

    def __del__(self) -> None:
        self.close()


class MsgpackConnection(connection.Connection):
    """A multiprocessing Connection over a socket, speaking msgpack.

    Takes ``sock`` over: the object that was passed is of no further use. ``bytes_in`` and
    ``bytes_out`` count what went through. Used by one thread at a time.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.fileno())
        self._socket = OwnedSocket(fileno=sock.detach())
        self._deadline: float | None = None
        self._stall_seconds: float | None = None
        self.max_frame_bytes = MAX_HANDSHAKE_FRAME_BYTES
        self.bytes_in = 0
        self.bytes_out = 0
        self.set_deadline(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)
        self._socket.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNCONFIRMED_SECONDS * 1000
        )

    def set_deadline(self, seconds: float | None) -> None:
        """Give up on reads and writes after this long with TimeoutError; None: never."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        if seconds is None:
            self._arm()

    def set_stall_limit(self, seconds: float | None, until: float | None = None) -> None:
        """Give up with TimeoutError when not a byte moves for this long; None: never.

        However long a large frame takes on a slow link, it arrives as long as it moves; unless
        there is a moment, by the monotonic clock, ``until`` which all must be over.
        """
        self._stall_seconds, self._deadline = seconds, until
        self._arm()

    @property
    def peer(self) -> str:
        """Who is at the other end: ``host:port``, or "somebody" when that is not known any more."""
        try:
            host, port = self._socket.getpeername()[:2]
        except OSError:
            return "somebody"
        return str(Address(host, port))

    def trust(self) -> None:
        """Lift the handshake's limits: the other side has shown that it holds the key."""
        self.max_frame_bytes = MAX_FRAME_BYTES
        self.set_deadline(None)

    def share(self) -> socket.socket:
        """The socket, for somebody who never blocks on it; closing it stays with this object."""
        self._socket.setblocking(False)
        return self._socket

    def interrupt(self) -> None:
        """Wake whoever reads or writes here, with an end of file. Callable from any thread."""
        with contextlib.suppress(OSError):  # the other side may have been faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def send(self, obj: Any) -> None:
        self.send_parts(encode_frame(obj))

    def recv(self) -> Any:
        """Receive one value. Raises EOFError for anything that is not a good frame."""
        try:
            return unpack(self.receive())
        except ValueError as error:
            raise EOFError(f"a malformed frame arrived: {error}") from None

    def receive(self) -> bytearray:
        """Receive a frame as it is. Raises EOFError."""
        return self._recv_bytes().body

    def _close(self) -> None:
        self._socket.close()

    def _arm(self) -> None:
        """Set how long the next read or write may take."""
        limit = self._stall_seconds
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the other side took too long")
            limit = left if limit is None else min(left, limit)
        self._socket.settimeout(limit)

    def _send_bytes(self, buf: Any) -> None:
        self.send_parts([buf])

    def send_parts(self, body: Sequence[Any]) -> None:
        """Send a frame."""
        length = measure(body)
        rest: Sequence[Any] = [struct.pack("!i", length), *body]
        while rest:
            self._arm()
            rest = send_some(self._socket, rest)
        self.bytes_out += 4 + length

    def _recv_bytes(self, maxsize: int | None = None) -> Frame:
        (length,) = struct.unpack("!i", self._read(4))
        if length == -1:
            (length,) = struct.unpack("!Q", self._read(8))
        if not 0 <= length <= min(maxsize or MAX_FRAME_BYTES, self.max_frame_bytes):
            raise FrameTooLargeError(f"a frame of {length} bytes was announced")
        body = self._read(length)
        self.bytes_in += 4 + length
        return Frame(body)

    def _read(self, length: int) -> bytearray:
        body = bytearray(min(length, EAGER_BYTES))
        got = 0
        while got < length:
            if got == len(body):
                body.extend(bytes(min(len(body), length - got)))
            self._arm()
            with memoryview(body) as view, view[got:] as rest:
                received = self._socket.recv_into(rest)
            if not received:
                raise EOFError
            got += received
        return body


class MsgpackListener:
    """The server's half of the pair. Accepting never waits for what one peer has to say."""

    def __init__(
        self,
        address: tuple[str, int],
        family: str | None = None,  # noqa: ARG002 - BaseManager's server passes what it needs not
        backlog: int = 128,
    ) -> None:
        host, port = address
        kind = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=kind, backlog=max(backlog, 128))
        self.address: tuple[str, int] = self._socket.getsockname()[:2]

    def accept(self) -> MsgpackConnection:
        accepted, _ = self._socket.accept()
        return MsgpackConnection(accepted)

    def close(self) -> None:
        self._socket.close()

    def interrupt(self) -> None:
        """Make a blocked accept() return with an OSError."""
        self._socket.shutdown(socket.SHUT_RDWR)


def check_listening(address: tuple[str, int]) -> None:
    """See whether anything accepts connections at an address. Raises UnreachableError."""
    _connect(address).close()


def measure_handshake(until: float | None) -> float:
    """Seconds for one step of connecting: as long as a handshake may take, or what is left."""
    left = HANDSHAKE_SECONDS if until is None else until - time.monotonic()
    return min(max(left, SHORTEST_SECONDS), HANDSHAKE_SECONDS)


def _connect(address: tuple[str, int], until: float | None = None) -> socket.socket:
    try:
        return _try_each(look_up(*address, until), until)
    except (OSError, UnicodeError) as error:  # a label of a host name may be too long
        why = getattr(error, "strerror", None) or str(error)
        raise UnreachableError(f"no coordinator answers at {Address(*address)} ({why})") from None


def _try_each(found: Sequence[Found], until: float | None) -> socket.socket:
    """Connect to the first of a host's addresses that answers. Raises OSError."""
    failure: OSError | None = None
    for family, kind, protocol, _, place in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(measure_handshake(until))
            sock.connect(place)
        except OSError as error:
            sock.close()
            failure = failure or error  # of the address that the system prefers
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or OSError("the name has no address")


def dial(
    address: tuple[str, int],
    family: str | None = None,
    authkey: bytes | None = None,
    until: float | None = None,
) -> MsgpackConnection:
    """The client's half of the pair: connect and prove that both sides hold the key.

    No later than the monotonic moment ``until``, if there is one. Raises UnreachableError and
    KeyRefusedError.
    """
    del family
    link = MsgpackConnection(_connect(address, until))
    link.set_deadline(measure_handshake(until))
    try:
        if authkey is not None:
            connection.answer_challenge(link, authkey)
            connection.deliver_challenge(link, authkey)
    except AuthenticationError as error:
        link.close()
        if NO_CHALLENGE in str(error):
            raise _explain_stranger(address) from None
        raise KeyRefusedError(
            f"the coordinator at {Address(*address)} holds another key: copy its key file to this "
            "side and name it with key_file= (--key-file on the command line)"
        ) from None
    except (EOFError, OSError, AssertionError):  # 3.11 asserts what a challenge looks like
        link.close()
        raise _explain_stranger(address) from None
    except BaseException:
        link.close()
        raise
    link.trust()
    return link


def _explain_stranger(address: tuple[str, int]) -> UnreachableError:
    return UnreachableError(
        f"what answers at {Address(*address)} did not finish the handshake of a headrace "
        "coordinator"
    )


def register_serializer() -> None:
    """Put the pair where BaseManager, its server and its proxies look serializers up."""
    pairs: dict[str, Any] = managers.listener_client  # type: ignore[attr-defined] # undocumented
    pairs[SERIALIZER] = (MsgpackListener, dial)
