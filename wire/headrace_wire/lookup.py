"""Addresses of a host, looked up within a time limit.

The system's lookup has none: where a name server does not answer, it may take minutes. So it is
made in a thread of its own, which is left alone when the time is over. Whoever asks again meanwhile
waits for the same one.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

#: Seconds that a lookup may take. The system asks a second name server after five.
LOOKUP_SECONDS = 12.0

#: What is found: family, kind, protocol, canonical name and address, as a socket takes them.
Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

#: Lookups under way, by host and port.
_under_way: dict[tuple[str, int], _Lookup] = {}

# A forked child has none of its parent's threads.
os.register_at_fork(after_in_child=_under_way.clear)


class _Lookup:
    """One lookup. When ``over`` is set, there is what it ``found`` or an ``error``."""

    def __init__(self, host: str, port: int) -> None:
        self._asked = host, port
        self.found: Sequence[Found] = ()
        self.error: OSError | UnicodeError | OverflowError | None = None
        self.over = threading.Event()

    def run(self) -> None:
        try:
            self.found = _ask(*self._asked)
        except (OSError, UnicodeError, OverflowError) as error:
            self.error = error
        finally:
            _under_way.pop(self._asked, None)
            self.over.set()


def look_up(host: str, port: int, until: float | None = None) -> Sequence[Found]:
    """The addresses of a host, by the monotonic moment ``until`` at the latest.

    Raises TimeoutError, and what the system's lookup does: OSError, UnicodeError.
    """
    try:
        return _ask(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # a name
    lookup = _Lookup(host, port)
    other = _under_way.setdefault((host, port), lookup)
    if other is lookup:
        try:
            threading.Thread(target=lookup.run, name="headrace-lookup", daemon=True).start()
        except RuntimeError:  # the interpreter is ending, or there are too many threads
            lookup.run()
    return _await(other, until)


def _await(lookup: _Lookup, until: float | None) -> Sequence[Found]:
    left = LOOKUP_SECONDS if until is None else until - time.monotonic()
    if not lookup.over.wait(min(max(left, 0.0), LOOKUP_SECONDS)):
        raise TimeoutError("the lookup of its name takes too long")
    if lookup.error is not None:
        raise lookup.error
    return lookup.found


def _ask(host: str, port: int, flags: int = 0) -> Sequence[Found]:
    # As bytes, for text makes the lookup import the tables of international names.
    asked: Any = host.encode() if host.isascii() else host
    return socket.getaddrinfo(asked, port, type=socket.SOCK_STREAM, flags=flags)
