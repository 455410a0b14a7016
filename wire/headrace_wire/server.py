"""The server: it trusts nobody before the handshake, and afterwards only as far as the methods of
the API.

    accept ─► a task for each connection: handshake ─► Session: calls until it ends

Started by ``start`` in an event loop and stopped by ``stop``: first no new connection is accepted,
then calls under way are answered, then the connections are closed. The served objects
wake the calls that wait, before ``stop``.

A connection has a deadline for the handshake, their number is limited before and after it, frames
are limited, and only what api.py lists can be called. BaseManager's own server has none of that.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Mapping
from multiprocessing import AuthenticationError

from msgspec import Struct

from headrace_wire.address import Address
from headrace_wire.api import APIS
from headrace_wire.connection import HANDSHAKE_SECONDS
from headrace_wire.errors import ProtocolError, UsageError
from headrace_wire.greeting import Admitted, admit
from headrace_wire.keyring import Keys
from headrace_wire.lookup import find_listening
from headrace_wire.session import Session
from headrace_wire.signature import read_signatures
from headrace_wire.stream import FrameStream

log = logging.getLogger(__name__)

#: Connections that the system holds ready until the server accepts them.
BACKLOG = 128

#: Seconds to wait before accepting again when the process is out of descriptors or memory.
EXHAUSTED_SECONDS = 0.1

#: Seconds for calls under way to be answered, all together, when the server stops.
STOP_SECONDS = 3.0

#: accept() fails with these when the process or machine is short of something.
EXHAUSTION = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class ServerLimits(Struct, frozen=True):
    """How many connections the server has, and how long their handshake may take."""

    handshake_seconds: float = HANDSHAKE_SECONDS
    #: Connections served at a time.
    max_connections: int = 4096
    #: Connections that may be in their handshake at a time.
    max_pending: int = 64


class Server:
    """Serves objects by name, each through the methods of its API.

    The methods are called in the event loop's thread; those that wait are coroutines.
    ``find_keys`` returns the keys that are taken just now, with their holders.
    ``on_bytes(received, sent)`` is called after every call. Raises UsageError when the address is
    not to be had.
    """

    def __init__(
        self,
        objects: Mapping[str, object],
        address: Address,
        find_keys: Callable[[], Keys],
        limits: ServerLimits | None = None,
        on_bytes: Callable[[int, int], None] | None = None,
    ) -> None:
        self.limits = limits or ServerLimits()
        self._listener = _listen(address)
        #: The address that is really served, with the port the system chose for port 0.
        self.bound = Address(*self._listener.getsockname()[:2])
        self._find_keys = find_keys
        self._objects = {
            name: (target, read_signatures(APIS[name])) for name, target in objects.items()
        }
        self._on_bytes = on_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pause: asyncio.TimerHandle | None = None
        #: The task of each connection, with its session once the handshake is done; and those
        #: that are not so far.
        self._connections: dict[asyncio.Task[None], Session | None] = {}
        self._greeting: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to accept connections, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._listener, self._accept)

    async def stop(self) -> None:
        """Accept nothing more, answer the calls under way, and close all connections."""
        self.close()
        await asyncio.sleep(0)  # what was accepted last has its task begun
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

    def close(self) -> None:
        """Stop listening."""
        loop, self._loop = self._loop, None
        if loop:
            loop.remove_reader(self._listener)
        if self._pause:
            self._pause.cancel()
        self._listener.close()

    def _accept(self) -> None:
        """Let a task of its own serve each connection that waits to be accepted."""
        assert self._loop, "only a server that was started accepts"
        for _ in range(BACKLOG):
            try:
                sock, place = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTION:
                    log.warning("cannot accept a connection: %s", error.strerror)
                    self._loop.remove_reader(self._listener)
                    self._pause = self._loop.call_later(EXHAUSTED_SECONDS, self.start)
                return
            sock.setblocking(False)
            if len(self._greeting) >= self.limits.max_pending:
                sock.close()
            elif len(self._connections) >= self.limits.max_connections:
                peer = Address(*place[:2])
                log.warning("refused %s: %d are connected", peer, len(self._connections))
                sock.close()
            else:
                task = self._loop.create_task(self._serve(sock))
                self._connections[task] = None
                self._greeting.add(task)
                task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._greeting.discard(task)
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()):
            log.error("a connection failed", exc_info=error)

    async def _serve(self, sock: socket.socket) -> None:
        """Serve a connection from its handshake to its end."""
        stream: FrameStream | None = None
        task = asyncio.current_task()
        assert task, "connections are served by tasks"
        try:
            _, stream = await task.get_loop().connect_accepted_socket(FrameStream, sock)
            admitted = await self._shake_hands(stream)
            if admitted is None:
                return
            self._greeting.discard(task)
            target, signatures = self._objects[admitted.name]
            session = Session(stream, admitted.holder, target, signatures, self._on_bytes)
            self._connections[task] = session
            await session.run()
        except (EOFError, OSError, ValueError):
            log.debug("a connection ended")
        finally:
            stream.close() if stream else sock.close()

    async def _shake_hands(self, stream: FrameStream) -> Admitted | None:
        """Return who a peer is and what it asks for, or None for one that is refused."""
        try:
            async with asyncio.timeout(self.limits.handshake_seconds):
                admitted = await stream.follow(admit(self._find_keys(), self._objects))
        except AuthenticationError:
            log.warning("refused %s: it does not hold the key", stream.peer)
        except ProtocolError as error:
            log.warning("refused %s: %s", stream.peer, error.message)
        else:
            stream.trust()
            return admitted
        return None


def _listen(address: Address) -> socket.socket:
    try:
        family, place = find_listening(*address)
        listener = socket.create_server(place, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:  # a label of a host name may be too long
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot serve at {address}: {why}") from None
    listener.setblocking(False)
    return listener
