"""The server: it trusts nobody before the handshake, and afterwards only permits the methods of the
API.

    accept ─► a task for each connection: handshake ─► Session: calls until it ends

It is started by ``start`` in an event loop and stopped by ``stop``: first no more connections are
accepted, then pending calls are answered, then the connections are closed. Before ``stop``, the
served objects wake the calls that wait.

A connection has a deadline for the handshake, the number of connections is limited before and after
it (``admission`` decides which one is closed), frames are limited, and only what api.py lists can
be called. BaseManager's own server does nothing of this.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing import AuthenticationError
from ssl import SSLError
from typing import Any

from headrace_wire.acceptor import Acceptor, explain_shortage, listen, read_bound
from headrace_wire.address import Address
from headrace_wire.admission import Admission, ServerLimits, find_block
from headrace_wire.api import APIS
from headrace_wire.certificates import NotAccepted, identify
from headrace_wire.denials import Denials
from headrace_wire.errors import BusyError, KeyRefusedError, ProtocolError
from headrace_wire.framing import FrameTooLargeError, TlsGreetingError
from headrace_wire.greeting import Admitted, admit
from headrace_wire.guard import Guard
from headrace_wire.handshake import StrangerError
from headrace_wire.keyring import Keys
from headrace_wire.pacing import Pace
from headrace_wire.refusal_log import (
    DESCRIPTORS,
    FULL,
    HANDSHAKE,
    IDLE,
    KEY,
    PENDING,
    PROTOCOL,
    STALLED,
    Refusals,
)
from headrace_wire.roles import TASK, Holder, Role
from headrace_wire.session import Session
from headrace_wire.signature import read_signatures
from headrace_wire.stream import FrameStream, accept_stream, drop
from headrace_wire.tls import ServerTls, bind_key, explain_failure
from headrace_wire.turn_limit import TurnLimit

log = logging.getLogger(__name__)

#: How many connections the system keeps until the server accepts them.
BACKLOG = 1024

#: The maximum number of connections that are accepted per second. A handshake takes up to a
#: millisecond, and others are served in between.
ACCEPTED_PER_SECOND = 800

#: How many seconds pending calls may take in total when the server stops.
STOP_SECONDS = 3.0


class Server:
    """Serves objects by name, each through the methods of its API.

    The methods are called in the event loop's thread; those that wait are coroutines.
    ``find_keys(hint)`` returns the keys that are valid now, with their holders, for a client that
    sends this hint in the handshake, which is usually empty. ``on_bytes(received, sent)`` is called
    after every call, and ``on_refused(reason)`` for every connection that is refused, or closed to
    make room for another. Raises UsageError if the address cannot be used.
    """

    def __init__(
        self,
        objects: Mapping[str, object],
        address: Address,
        find_keys: Callable[[bytes], Keys],
        limits: ServerLimits | None = None,
        on_bytes: Callable[[int, int], None] | None = None,
        on_refused: Callable[[str], None] | None = None,
    ) -> None:
        self.limits = limits or ServerLimits()
        listener = listen(address, BACKLOG, "")
        #: The served address, with the port that the system chose for port 0.
        self.bound = read_bound(listener)
        self._find_keys = find_keys
        self._objects = {
            name: (target, read_signatures(APIS[name])) for name, target in objects.items()
        }
        self._on_bytes = on_bytes
        self._pace = Pace()
        self._denials = Denials()
        self._turn_limit = TurnLimit()
        #: The task of each connection, with its session after the handshake.
        self._connections: dict[asyncio.Task[None], Session | None] = {}
        self._hosts: dict[asyncio.Task[None], str] = {}
        self._admission = Admission(self.limits, self._measure_idle)
        self._refusals = Refusals(on_refused)
        self._guard = Guard()
        self._acceptor = Acceptor(
            listener, self._admission.accepts, self._take, self._shed, ACCEPTED_PER_SECOND
        )
        #: Options for the event loop, and the streams of connections that have not ended.
        self._encrypting: dict[str, Any] = {}
        self._certificate: bytes | None = None
        self._wants_certificates = False
        self._not_accepted = NotAccepted()
        self._streams: weakref.WeakSet[FrameStream] = weakref.WeakSet()

    def count_connections(self) -> dict[str, int]:
        """Return how many connections there are, by state."""
        return {"pending": self._admission.pending, "proven": self._admission.proven}

    def list_keys(self, role: Role) -> list[bytes]:
        """Return the keys of a role that are valid now."""
        return [key for key, holder in self._find_keys(b"").items() if holder.role == role]

    def encrypt(self, tls: ServerTls) -> None:
        """Use TLS; to be called before ``start``."""
        self._encrypting = {
            "ssl": tls.context, "ssl_handshake_timeout": self.limits.handshake_seconds
        }  # fmt: skip
        self._certificate = tls.certificate
        self._wants_certificates = tls.wants_certificates

    def end_others(self, is_taken: Callable[[Holder], bool]) -> None:
        """Close the connections whose keys are no longer valid."""
        for task, session in self._connections.items():
            if session and not is_taken(session.key_holder or session.holder):
                name = (session.key_holder or session.holder).name
                if session.holder.role != TASK:  # those end with their job
                    log.info("closed %s: its key %s was revoked", session.stream.peer, name)
                    session.is_revoked = True
                task.cancel()

    def start(self) -> None:
        """Begin to accept connections, in the running event loop."""
        self._acceptor.start()

    async def stop(self) -> None:
        """Stop accepting, answer the pending calls, and close all connections."""
        self.close()
        await asyncio.sleep(0)  # lets tasks begin for the connections that were accepted last
        for task, session in self._connections.items():
            if session is None or session.is_idle:
                task.cancel()
            else:
                session.is_ending = True
        if self._connections:
            await asyncio.wait(self._connections, timeout=STOP_SECONDS)
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        self._refusals.stop()
        self._guard.close()
        for stream in list(self._streams):  # TLS waits for the peer to close
            stream.abort()

    def close(self) -> None:
        """Stop listening."""
        self._acceptor.close()

    def _take(self, sock: socket.socket, host: str) -> None:
        """Serve a connection in its own task."""
        task = asyncio.get_running_loop().create_task(self._serve(sock))
        self._connections[task] = None
        self._hosts[task] = host
        task.add_done_callback(self._forget)
        if gone := self._admission.enter(task, host):
            self._put_off(gone, PENDING, "it had not finished its handshake, and others came")

    def _shed(self, error: OSError) -> bool:
        """Close the connections that have waited longest, because the process or machine lacks
        resources.
        """
        gone = self._admission.shed()
        for task in gone:
            self._put_off(task, DESCRIPTORS, f"it waited, and {explain_shortage(error)}")
        if not gone:
            line = f"cannot accept a connection: {explain_shortage(error)}"
            self._refusals.note("anywhere", DESCRIPTORS, line)
        return bool(gone)

    def _put_off(self, task: asyncio.Task[None], reason: str, why: str) -> None:
        """End a connection that has lost its place."""
        host = self._hosts[task]
        self._refusals.note(host, reason, f"refused a connection from {host}: {why}")
        task.cancel()

    def _refuse(self, stream: FrameStream | None, reason: str, why: str) -> None:
        host = self._hosts[_find_task()]
        peer = stream.peer if stream else host or "somebody"
        self._refusals.note(host, reason, f"refused {peer}: {why}")

    def _note_dropped(self, stream: FrameStream, reason: str) -> None:
        why = "there is no memory for what it sent"
        if reason == STALLED:
            why = "it stood still in the middle of a message, or crept"
        self._refusals.note(stream.host, reason, f"dropped {stream.peer}: {why}")

    def _measure_idle(self, task: asyncio.Task[None]) -> float:
        session = self._connections.get(task)
        return session.measure_idle() if session else 0.0

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._admission.leave(task)
        self._guard.note_end()
        del self._connections[task], self._hosts[task]
        if not task.cancelled() and (error := task.exception()):
            log.error("a connection failed", exc_info=error)

    async def _serve(self, sock: socket.socket) -> None:
        """Serve a connection from its handshake to its end."""
        stream: FrameStream | None = None
        session: Session | None = None
        try:
            until = asyncio.get_running_loop().time() + self.limits.handshake_seconds
            stream = await self._open(sock, until)
            admitted = await self._shake_hands(stream, until)
            if admitted is None:
                return
            target, signatures = self._objects[admitted.name]
            holder = self._identify(stream, admitted.holder)
            session = Session(
                stream,
                holder,
                target,
                signatures,
                self._on_bytes,
                key_holder=admitted.holder,
                version=admitted.version,
                order=admitted.order,
                pace=self._pace,
                denials=self._denials,
                turn_limit=self._turn_limit,
            )
            self._connections[_find_task()] = session
            await session.run()
        except asyncio.CancelledError:
            if session and session.is_revoked:
                session.say_revoked()
            raise
        except (EOFError, OSError, ValueError):
            log.debug("a connection ended")
        except MemoryError:
            log.error("a connection ended: there is no memory for it")  # noqa: TRY400 - a line
        finally:
            stream.close() if stream else drop(sock)

    async def _open(self, sock: socket.socket, until: float) -> FrameStream:
        """Take over an accepted connection, with TLS if configured, by the loop's time ``until``.
        Raises OSError.
        """
        try:
            async with asyncio.timeout_at(until):
                stream = await accept_stream(sock, self._encrypting)
        except TimeoutError:
            why = (
                "it began no TLS, as headrace 0.1, which is to be upgraded, and clients with --tls "
                "off do not"
            )
            self._refuse(None, HANDSHAKE, f"its handshake took too long ({why})")
            raise
        except SSLError as error:
            self._refuse(None, HANDSHAKE, explain_failure(error))
            if reason := getattr(error, "verify_message", None):
                self._not_accepted.note(self._hosts[_find_task()], reason)
            raise
        self._streams.add(stream)
        return stream

    async def _shake_hands(self, stream: FrameStream, until: float) -> Admitted | None:
        """Return who a peer is and what it requests, or None if it is refused."""
        try:
            async with asyncio.timeout_at(until):
                find_room = partial(self._find_room, stream)
                steps = admit(self._find_bound_keys, self._objects, find_room)
                admitted = await stream.follow(steps)
        except AuthenticationError:
            self._refuse(stream, KEY, "it does not hold the key")
        except ProtocolError as error:
            self._refuse(stream, PROTOCOL, error.message)
        except BusyError as error:
            self._refuse(stream, FULL, error.message)
        except KeyRefusedError as error:
            self._refuse(stream, KEY, error.message)
        except TimeoutError:
            self._refuse(stream, HANDSHAKE, "its handshake took too long")
        except TlsGreetingError:
            log.debug("%s speaks TLS, which is off here: it may come again without", stream.peer)
        except (StrangerError, FrameTooLargeError):
            self._refuse(stream, HANDSHAKE, "what it sent is no handshake")
        else:
            stream.trust()
            role = self._identify(stream, admitted.holder).role
            groups = (f"address {find_block(stream.host)}", f"role {role}")
            stream.guard(self._guard, groups, self._note_dropped)
            return admitted
        return None

    def _find_room(self, stream: FrameStream, holder: Holder) -> None:
        """Give the connection of this task a place among the proven ones. Raises BusyError, and
        KeyRefusedError if it must not have one.
        """
        role = self._identify(stream, holder).role
        if gone := self._admission.prove(_find_task(), role):
            self._put_off(gone, IDLE, "it was not in use, and others came")

    def _identify(self, stream: FrameStream, holder: Holder) -> Holder:
        """Return who proves the key of this holder, with a certificate if required. Raises
        KeyRefusedError.
        """
        if not self._wants_certificates:
            return holder
        if not stream.subject:
            self._not_accepted.check(stream.host)
        return identify(holder, stream.subject)

    def _find_bound_keys(self, hint: bytes) -> Keys:
        """Return the keys of handshakes, for a client with this hint."""
        keys = self._find_keys(hint)
        if self._certificate is None:
            return keys
        return {bind_key(key, self._certificate): holder for key, holder in keys.items()}


def _find_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task, "connections are served by tasks"
    return task
