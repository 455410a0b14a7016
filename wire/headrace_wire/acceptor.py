"""A listening socket in an event loop, which keeps working when the process can open no more
files.
"""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import time
from collections.abc import Callable

from headrace_wire.address import Address
from headrace_wire.errors import UsageError
from headrace_wire.lookup import find_listening
from headrace_wire.system.unix_sockets import UnixListener

#: How many seconds to wait before accepting again if the process is out of descriptors or memory.
EXHAUSTED_SECONDS = 0.1

#: How many seconds to wait if connections are being closed to make room.
SHED_SECONDS = 0.01

#: How many seconds to wait if too many connected; those that wait are then accepted together.
REST_SECONDS = 0.02

#: After a pause, as many connections are accepted at once as the rate allows in this many seconds.
BURST_SECONDS = 0.1

#: The errors of accept() if the process or the machine is short of something.
EXHAUSTION = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Accepts at most ``most`` connections in one turn of the event loop, and ``per_second`` over
    time, so that existing connections are served meanwhile. The others wait in the system's queue.

    ``take(socket, host)`` is called with each connection. ``shed(error)`` is called if the system
    provides no more, and returns whether something is being closed.
    """

    def __init__(
        self,
        listener: socket.socket,
        most: int,
        take: Callable[[socket.socket, str], object],
        shed: Callable[[OSError], bool],
        per_second: float = math.inf,
    ) -> None:
        self._listener = listener
        self._per_second = per_second
        self._free_at = 0.0
        self._most = most
        self._take = take
        self._shed = shed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept connections, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Stop listening."""
        loop, self._loop = self._loop, None
        if loop:
            loop.remove_reader(self._listener)
        if self._pause:
            self._pause.cancel()
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(self._most):
            if self._is_over():
                self._rest(REST_SECONDS)
                return
            try:
                sock, place = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTION:
                    self._rest(SHED_SECONDS if self._shed(error) else EXHAUSTED_SECONDS)
                return
            self._free_at += 1 / self._per_second
            sock.setblocking(False)
            self._take(sock, str(place[0]) if place else "")

    def _is_over(self) -> bool:
        """Return whether more connections were accepted by now than the rate allows."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now - BURST_SECONDS)
        return self._free_at > now

    def _rest(self, seconds: float) -> None:
        """Stop accepting for a moment."""
        assert self._loop, "only who was started accepts"
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self.start)


def listen(address: Address, backlog: int, what: str) -> socket.socket:
    """Return a socket that listens at an address, at which ``what`` is served. Raises
    UsageError.
    """
    try:
        if address.is_unix:
            listener: socket.socket = UnixListener(address.host, backlog)
        else:
            family, place = find_listening(*address)
            listener = socket.create_server(place, family=family, backlog=backlog)
    except (OSError, UnicodeError) as error:  # a label of a host name may be too long
        # asyncio and socket append the address to the system's message.
        why = str(getattr(error, "strerror", None) or error).partition(" (while attempting")[0]
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            why = "something serves there already"
        raise UsageError(f"cannot serve{what} at {address}: {why}") from None
    listener.setblocking(False)
    return listener


def require_free(address: Address, what: str) -> None:
    """Raise UsageError if ``listen`` would."""
    listen(address, 1, what).close()


def read_bound(listener: socket.socket) -> Address:
    """Return where a socket listens, with the port that the system chose for port 0."""
    place = listener.getsockname()
    return Address(place, 0) if isinstance(place, str) else Address(*place[:2])


def explain_shortage(error: OSError) -> str:
    return f"the system says: {error.strerror}"
