"""Looks up the addresses of a host within a time limit.

The system's lookup has no limit: if a name server does not answer, it may take minutes. So it runs
in its own thread, which is abandoned after the limit. If the same host is looked up again
meanwhile, the same lookup is used.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from headrace_wire.address import is_path
from headrace_wire.system.forking import call_after_fork
from headrace_wire.system.unix_sockets import FAMILY

#: How many seconds a lookup may take. The system asks a second name server after five.
LOOKUP_SECONDS = 12.0

#: The message about a lookup that takes longer.
TAKES_TOO_LONG = "the lookup of its name takes too long"

#: A result: family, kind, protocol, canonical name and address, as a socket requires them.
Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

#: Lookups in progress, by host and port.
_under_way: dict[tuple[str, int], Future[Sequence[Found]]] = {}

# A forked child has none of its parent's threads.
call_after_fork(_under_way.clear)


def look_up(host: str, port: int, until: float | None = None) -> Sequence[Found]:
    """Return the addresses of a host, by the monotonic time ``until`` at the latest.

    Raises TimeoutError, and the errors of the system's lookup: OSError, UnicodeError.
    """
    try:
        return begin(host, port).result(measure_lookup(until))
    except TimeoutError:
        raise TimeoutError(TAKES_TOO_LONG) from None


def find_listening(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Return the family and the address with which to listen at a host: IPv4 if a name has both.

    Raises OSError and UnicodeError, with a message for users.
    """
    found = sorted(look_up(host, port), key=lambda one: one[0] != socket.AF_INET)
    family, _, _, _, place = found[0]
    return family, place


def measure_lookup(until: float | None) -> float:
    """Return how many seconds a lookup may take, within ``until``."""
    left = LOOKUP_SECONDS if until is None else until - time.monotonic()
    return min(max(left, 0.0), LOOKUP_SECONDS)


def begin(host: str, port: int) -> Future[Sequence[Found]]:
    """Begin to look up the addresses of a host, or return the lookup that is in progress.

    It cannot be cancelled. A host that is given as an address, or as the path of a Unix socket, is
    found at once.
    """
    lookup: Future[Sequence[Found]] = Future()
    lookup.set_running_or_notify_cancel()
    if is_path(host):
        lookup.set_result([(FAMILY, socket.SOCK_STREAM, 0, "", host)])
        return lookup
    try:
        lookup.set_result(_ask(host, port, socket.AI_NUMERICHOST))
    except (OSError, UnicodeError):
        pass  # it is a name
    else:
        return lookup
    found = _under_way.setdefault((host, port), lookup)
    if found is lookup:
        thread = threading.Thread(
            target=_run, args=(lookup, host, port), name="headrace-lookup", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending, or there are too many threads
            _run(lookup, host, port)
    return found


def _run(lookup: Future[Sequence[Found]], host: str, port: int) -> None:
    try:
        settle = partial(lookup.set_result, _ask(host, port))
    except Exception as error:  # noqa: BLE001 - raised to those who wait
        settle = partial(lookup.set_exception, error)
    _under_way.pop((host, port), None)
    settle()


def _ask(host: str, port: int, flags: int = 0) -> Sequence[Found]:
    # As bytes, because text makes the lookup import the tables of international names.
    asked: Any = host.encode() if host.isascii() else host
    return socket.getaddrinfo(asked, port, type=socket.SOCK_STREAM, flags=flags)
