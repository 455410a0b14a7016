"""BaseManager's server, hardened: it trusts nobody before the handshake, and afterwards only as
far as the methods of the API.

    accepter thread ─► a thread for each handshake ─► hello ─► the loop: calls until EOF

Started by ``start``, stopped by ``stop``: first no new connection is accepted, then the open ones
are closed. Calls that wait are the served objects' to interrupt, before ``stop``; the loop's owner
starts it before the server and stops it afterwards.

The stock server runs what a pickle says, keeps silent connections for ever, answers garbage with a
traceback, offers ``shutdown``, ``create`` and ``debug_info`` to whoever connects, and stops
accepting when it cannot start a thread. Here a connection has a deadline for the handshake, their
number is capped before and after it, frames are capped, and only what api.py lists can be called.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing import AuthenticationError, managers

from msgspec import Struct

from headrace_wire.address import Address
from headrace_wire.admission import admit
from headrace_wire.connection import (
    HANDSHAKE_SECONDS,
    SERIALIZER,
    MsgpackConnection,
    MsgpackListener,
    register_serializer,
)
from headrace_wire.errors import ProtocolError, UsageError
from headrace_wire.loop import Loop
from headrace_wire.session import Session
from headrace_wire.signature import read_signatures

log = logging.getLogger(__name__)

#: Connections served at a time.
MAX_CONNECTIONS = 4096

#: Connections that may be in their handshake at a time.
MAX_PENDING = 64

#: Seconds to wait before accepting again when the process is out of descriptors or memory.
EXHAUSTED_SECONDS = 0.1

#: Seconds for the threads of open connections to end in, all together, when the server stops.
STOP_SECONDS = 3.0

#: accept() fails with these when the process or machine is short of something.
EXHAUSTION = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class ServerLimits(Struct, frozen=True):
    """How much of itself the server gives to peers that it does not know yet."""

    handshake_seconds: float = HANDSHAKE_SECONDS
    max_connections: int = MAX_CONNECTIONS
    max_pending: int = MAX_PENDING


class HardenedServer(managers.Server):
    """Serves objects by name, each through the methods of an API class, in the loop's thread.

    ``on_bytes(received, sent)`` is told after every call. Raises UsageError when the address is
    not to be had.
    """

    #: Set by the stock class; typeshed does not know them.
    authkey: bytes
    listener: MsgpackListener

    def __init__(
        self,
        loop: Loop,
        objects: Mapping[str, tuple[object, type]],
        address: Address,
        key: bytes,
        limits: ServerLimits | None = None,
        on_bytes: Callable[[int, int], None] | None = None,
    ) -> None:
        register_serializer()
        self.limits = limits or ServerLimits()
        try:
            super().__init__({}, address, key, SERIALIZER)
        except OSError as error:
            raise UsageError(f"cannot serve at {address}: {error.strerror or error}") from None
        self.stop_event = threading.Event()
        self._loop = loop
        self.objects = {
            name: (target, read_signatures(api)) for name, (target, api) in objects.items()
        }
        self._on_bytes = on_bytes or _ignore_bytes
        self._connections = threading.BoundedSemaphore(self.limits.max_connections)
        self._pending = threading.BoundedSemaphore(self.limits.max_pending)
        self._greeting: dict[MsgpackConnection, threading.Thread] = {}
        self._sessions: dict[MsgpackConnection, Session] = {}
        self._open_lock = threading.Lock()
        self._accepter: threading.Thread | None = None

    @property
    def bound(self) -> Address:
        """The address that is really served, with the port the system chose for port 0."""
        return Address(*self.listener.address)

    def start(self) -> None:
        """Begin to accept, in a thread of its own."""
        self._accepter = threading.Thread(target=self.accepter, name="accepter", daemon=True)
        self._accepter.start()

    def stop(self) -> None:
        """Accept nothing more, close what is open, and wait for its threads to end."""
        self.stop_event.set()
        try:
            self.listener.interrupt()
        except OSError:
            log.debug("the listening socket was closed already")
        self.listener.close()
        if self._accepter:
            self._accepter.join(timeout=5)
        with self._open_lock:
            threads = list(self._greeting.values())
            for link in self._greeting:
                link.interrupt()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        closed = threading.Event()
        self._loop.call(lambda: self._close_sessions(closed))
        closed.wait(max(0.0, deadline - time.monotonic()))

    def _close_sessions(self, closed: threading.Event) -> None:
        for session in list(self._sessions.values()):
            session.finish()
        closed.set()

    def accepter(self) -> None:
        while not self.stop_event.is_set():
            try:
                link = self.listener.accept()
            except OSError as error:
                if error.errno in EXHAUSTION:
                    log.warning("cannot accept a connection: %s", error.strerror)
                    self.stop_event.wait(EXHAUSTED_SECONDS)
                continue
            self._admit(link)

    def _admit(self, link: MsgpackConnection) -> None:
        if not self._pending.acquire(blocking=False):
            link.close()
            return
        if not self._connections.acquire(blocking=False):
            self._pending.release()
            log.warning("refused %s: %d are connected", link.peer, self.limits.max_connections)
            link.close()
            return
        thread = threading.Thread(
            target=self.handle_request, args=(link,), name="handshake", daemon=True
        )
        # Known before its thread runs: a stop in between finds it too.
        with self._open_lock:
            self._greeting[link] = thread
        try:
            thread.start()
        except RuntimeError:  # no more threads to be had: this peer fails, the next may not
            with self._open_lock:
                del self._greeting[link]
            self._pending.release()
            self._connections.release()
            log.warning("cannot start a thread for a connection")
            link.close()

    def handle_request(self, conn: MsgpackConnection) -> None:  # type: ignore[override] # ours alone
        name = None
        try:
            try:
                name = self._greet(conn)
            finally:
                self._pending.release()
        except AuthenticationError:
            log.warning("refused %s: it does not hold the key", conn.peer)
        except ProtocolError as error:
            log.warning("refused %s: %s", conn.peer, error)
        except (EOFError, OSError):
            log.debug("a handshake ended")
        finally:
            with self._open_lock:
                self._greeting.pop(conn, None)
            if name is None:
                self._let_go(conn)
            else:
                self._loop.call(partial(self._begin, conn, name))

    def _begin(self, link: MsgpackConnection, name: str) -> None:
        if self.stop_event.is_set():
            self._let_go(link)
            return
        target, signatures = self.objects[name]
        self._sessions[link] = session = Session(
            self._loop, link, target, signatures, self._on_bytes, partial(self._end, link)
        )
        session.begin()

    def _end(self, link: MsgpackConnection) -> None:
        if self._sessions.pop(link, None):
            self._let_go(link)

    def _let_go(self, link: MsgpackConnection) -> None:
        link.close()
        self._connections.release()

    def _greet(self, link: MsgpackConnection) -> str:
        """Shake hands and return the name of the object asked for, all within one deadline."""
        link.set_deadline(self.limits.handshake_seconds)
        name = link.follow(admit(self.authkey, self.objects))
        link.trust()
        return name


def _ignore_bytes(received: int, sent: int) -> None:
    """What is told of bytes when nobody counts them."""
