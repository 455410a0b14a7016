"""A blocking connection that carries frames, and how clients open one.

Unlike the connections of ``multiprocessing.connection``, it never unpickles what arrives, limits
each frame before any memory is allocated for it, and has time limits. It sends header and body in
one write with Nagle's algorithm disabled: a message of 16 to 40 kB took 0.06 ms instead of 44 ms.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing import AuthenticationError
from typing import Any, TypeVar, cast

from headrace_wire.acquaintances import explain_stranger, note_taken
from headrace_wire.encryption import AUTOMATIC, Encryption, is_near
from headrace_wire.errors import (
    BusyError,
    HeadraceError,
    KeyRefusedError,
    ProtocolError,
    UsageError,
)
from headrace_wire.framing import (
    MAX_FRAME_BYTES,
    MAX_HANDSHAKE_FRAME_BYTES,
    Body,
    FrameReader,
    write_frame,
)
from headrace_wire.greeting import explain_silence, greet
from headrace_wire.handshake import Handshake, prove_both
from headrace_wire.job_tokens import find_hint
from headrace_wire.lookup import Found, look_up
from headrace_wire.parts import Parts, measure, send_first, send_some
from headrace_wire.system.interrupts import SHORTEST_SECONDS, divide

Given = TypeVar("Given")

#: How many seconds connecting and the whole handshake may take, on either side.
HANDSHAKE_SECONDS = 5.0

#: Detect a host that vanished after about two minutes, instead of the system's two hours: the
#: options are the idle seconds before the first probe, the seconds between probes, and their
#: number. Data that is not confirmed within the user timeout in milliseconds also ends a
#: connection; without it, a broken link blocks a sender for a quarter of an hour (RFC 5482). macOS
#: calls the first option TCP_KEEPALIVE, and not every system has all of them.
TCP_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,
    "TCP_KEEPINTVL": 15,
    "TCP_KEEPCNT": 4,
    "TCP_USER_TIMEOUT": 60_000,
}

#: The families of sockets that lead to other machines.
INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})

#: How many connections of one client to one object are kept for the next calls.
IDLE_CONNECTIONS = 16


def tune(sock: Any) -> None:
    """Make small frames leave at once, and detect a host that vanished."""
    if sock.family not in INTERNET:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in TCP_OPTIONS.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def check_frame(frame: Parts) -> Parts:
    """Return a frame if it is not too large for the network. Raises UsageError."""
    length = measure(frame)
    if length > MAX_FRAME_BYTES:
        raise UsageError(
            f"a message of {length} bytes is too large for the network, which takes "
            f"{MAX_FRAME_BYTES}: send less at a time"
        )
    return frame


class OwnedSocket(socket.socket):
    """Closes itself, without a ResourceWarning, when it is garbage collected.

    A client's connection lives as long as its thread and its proxy. If an exception's traceback
    holds them last, the garbage collector finalizes connection and socket in any order.
    """

    def __del__(self) -> None:
        self.close()


class MsgpackConnection:
    """Takes over ``sock``: the object that was passed must not be used any more.

    It must be used by one thread at a time.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket: socket.socket = OwnedSocket(fileno=sock.detach())
        self.connected_at = time.monotonic()
        #: The peer's certificate in DER, if the connection is encrypted.
        self.certificate: bytes | None = None
        #: Whether the peer is of a newer minor version, according to its greeting.
        self.is_newer = False
        self._send_some = send_some
        self._deadline: float | None = None
        self._stall_seconds: float | None = None
        self._frames = FrameReader(MAX_HANDSHAKE_FRAME_BYTES)
        tune(self._socket)

    @property
    def closed(self) -> bool:
        """Whether ``close`` has been called."""
        return self._socket.fileno() == -1

    def close(self) -> None:
        self._socket.close()

    def set_deadline(self, seconds: float | None) -> None:
        """Raise TimeoutError in reads and writes after this long; None for never."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def set_stall_limit(self, seconds: float | None, until: float | None = None) -> None:
        """Raise TimeoutError if no byte is transferred for this long, or at the monotonic time
        ``until``; None for never. So a large frame may take long on a slow link.
        """
        self._stall_seconds, self._deadline = seconds, until

    def trust(self) -> None:
        """Lift the limits of the handshake, because the peer has shown that it holds the key."""
        self._frames.max_frame_bytes = MAX_FRAME_BYTES
        self.set_deadline(None)

    def follow(self, steps: Handshake[Given]) -> Given:
        """Send and receive what one half of a handshake requests. Returns and raises what it does,
        and raises EOFError and OSError.
        """
        frame: Body | None = None
        while True:
            try:
                wanted = steps.send(frame)
            except StopIteration as end:
                return cast("Given", end.value)
            if wanted is None:
                frame = self.receive()
            else:
                self.send_parts([wanted])
                frame = None

    def interrupt(self) -> None:
        """Wake a thread that reads or writes here, with an end of file. Callable from any
        thread.
        """
        with contextlib.suppress(OSError):  # the peer may have been faster
            # TLS has its own way to end, which only the thread that uses the connection may call.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def poll(self, seconds: float) -> bool:
        """Return whether the peer sends something, or closes, within this many seconds. Nothing is
        received.
        """
        if seconds <= 0:
            return False
        self._socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            self._socket.recv(1, socket.MSG_PEEK)
            return True
        return False

    def encrypt(self, encryption: Encryption, host: str) -> None:
        """Begin to speak TLS, as its client. Raises OSError, EOFError and UsageError.

        ``host`` is the name for which the peer's certificate has to be valid, if that matters.
        """
        # Importing this takes a while, and most connections on one machine do not need it.
        from headrace_wire.tls import begin_tls  # noqa: PLC0415

        self._socket.settimeout(self._measure_left())
        encrypted = begin_tls(self._socket, encryption.make_context(), host)
        self._socket, self._send_some = encrypted, send_first
        self.certificate = encrypted.getpeercert(binary_form=True)

    def receive(self) -> Body:
        """Receive the body of one frame."""
        while (frame := self._frames.take()) is None:
            with self._frames.get_buffer() as view:
                count = self._do(self._socket.recv_into, view)
            if not count:
                raise EOFError
            self._frames.buffer_updated(count)
        return frame

    def send_parts(self, body: Sequence[Any]) -> None:
        """Send a frame, whose body is in parts."""
        rest = [*write_frame(body)]
        while rest:
            rest = self._do(self._send_some, self._socket, rest)

    def _do(self, step: Callable[..., Given], *arguments: Any) -> Given:
        """Read or write once. Raises TimeoutError if that takes too long."""
        for seconds in divide(self._measure_left()):
            self._socket.settimeout(seconds)
            try:
                return step(*arguments)
            except TimeoutError as error:
                if error.errno is not None:  # an error of the system: the peer has vanished
                    raise
        raise TimeoutError("timed out")

    def _measure_left(self) -> float | None:
        """Return how many seconds the next read or write may take; None for no limit."""
        limit = self._stall_seconds
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the other side took too long")
            limit = left if limit is None else min(left, limit)
        return limit


def check_listening(address: tuple[str, int]) -> None:
    """Find out whether anything accepts connections at an address. Raises UnreachableError."""
    _connect(address).close()


def measure_handshake(until: float | None) -> float:
    """Return how many seconds one step of connecting may take, within ``until``."""
    left = HANDSHAKE_SECONDS if until is None else until - time.monotonic()
    return min(max(left, SHORTEST_SECONDS), HANDSHAKE_SECONDS)


def _connect(address: tuple[str, int], until: float | None = None) -> socket.socket:
    try:
        return _try_each(look_up(*address, until), until)
    except (OSError, UnicodeError) as error:  # a label of a host name may be too long
        raise explain_silence(address, error) from None


def _try_each(found: Sequence[Found], until: float | None) -> socket.socket:
    """Connect to the first of a host's addresses that answers. Raises OSError."""
    failure: OSError | None = None
    for family, kind, protocol, _, place in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(measure_handshake(until))
            sock.connect(place)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = failure or error  # of the address that the system prefers
        else:
            return sock
    raise failure or OSError("the name has no address")


def dial(
    address: tuple[str, int],
    key: bytes,
    until: float | None = None,
    encryption: Encryption = AUTOMATIC,
) -> MsgpackConnection:
    """Connect, and prove that both sides hold the key.

    This ends no later than the monotonic time ``until``, if given. Raises UnreachableError, and
    KeyRefusedError and ProtocolError if this process has not been accepted before.
    """
    try:
        link = _prove(address, key, until, encryption)
    except (KeyRefusedError, ProtocolError) as error:
        raise explain_stranger(address, key, error) from None
    note_taken(address, key)
    return link


def _prove(
    address: tuple[str, int], key: bytes, until: float | None, encryption: Encryption
) -> MsgpackConnection:
    link = _open(address, until, encryption)
    try:
        link.follow(prove_both(encryption.bind(key, link.certificate), find_hint(key)))
    except BaseException as error:
        link.close()
        if isinstance(error, AuthenticationError | EOFError | OSError):
            found = encryption.explain(address, error)
            raise _look_again(address, key, until, encryption, found) from None
        raise
    encryption.note(address, is_encrypted=link.certificate is not None)
    link.trust()
    return link


def _look_again(
    address: tuple[str, int],
    key: bytes,
    until: float | None,
    encryption: Encryption,
    found: HeadraceError,
) -> HeadraceError:
    """Find out whether the coordinator closed the connection because of this side's certificate."""
    if isinstance(found, BusyError) and encryption.certificate is not None:
        try:
            link = _prove(address, key, until, encryption.hide_certificate())
            with contextlib.closing(link), contextlib.suppress(EOFError, OSError):
                link.follow(greet("jobs"))
        except HeadraceError as hidden:
            return encryption.explain_hidden(found, hidden)
    return found


def _open(
    address: tuple[str, int], until: float | None, encryption: Encryption, *, again: bool = False
) -> MsgpackConnection:
    """Connect, and encrypt if the peer does. ``again`` means that it is known not to encrypt."""
    sock = _connect(address, until)
    try:
        at_hand = is_near(sock)
        link = MsgpackConnection(sock)
    except OSError as error:  # the peer has gone by now
        sock.close()
        raise encryption.explain(address, error) from None
    seconds = None if again else encryption.measure_listening(address, is_near=at_hand)
    link.set_deadline(measure_handshake(until))
    try:
        if seconds is not None and not link.poll(seconds):
            link.encrypt(encryption, encryption.name_host(address))
    except BaseException as error:
        link.close()
        if not isinstance(error, EOFError | OSError):
            raise
        if not encryption.speaks_plainly(error):
            raise encryption.explain(address, error) from None
    else:
        return link
    encryption.require_plain(address)
    return _open(address, until, encryption, again=True)
