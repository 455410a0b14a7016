"""File descriptors of a serving process, and how many connections they are enough for."""

from __future__ import annotations

import contextlib
import logging

from headrace_wire.admission import ServerLimits
from headrace_wire.bounds import MAX_WORKERS
from headrace_wire.rlimits import LIMITS

log = logging.getLogger(__name__)

#: Descriptors that connections never take: for the store, its readers and copies of it, the log,
#: the event loop, and what libraries open.
OWN_DESCRIPTORS = 48

#: More than this is not asked of the system: nothing here needs it.
MOST_DESCRIPTORS = 1 << 16

#: Where nobody knows how many a process may have.
USUAL_DESCRIPTORS = 8192

#: Connections that are enough for as many workers as there may be: a busy one has three, and the
#: others are for clients.
MOST_CONNECTIONS = 4 * MAX_WORKERS
MOST_PENDING = 1024

#: The part of the descriptors that is for connections in their handshake, and the part of the
#: others that only workers may use.
PENDING_PART = 1 / 4
WORKER_PART = 1 / 4

#: Fewer connections than these make no coordinator.
LEAST_PENDING, LEAST_CONNECTIONS = 4, 8


def raise_limit() -> None:
    """Let this process open as many files as it may."""
    if LIMITS is None:
        return
    soft, hard = LIMITS.getrlimit(LIMITS.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == LIMITS.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != LIMITS.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than it says
            LIMITS.setrlimit(LIMITS.RLIMIT_NOFILE, (most, hard))


def read_limit() -> int:
    """How many files this process may open."""
    if LIMITS is None:
        return USUAL_DESCRIPTORS
    soft, _ = LIMITS.getrlimit(LIMITS.RLIMIT_NOFILE)
    return MOST_DESCRIPTORS if soft == LIMITS.RLIM_INFINITY else soft


def share_descriptors(descriptors: int, others: int = 0) -> ServerLimits:
    """How many connections a server may have with so many descriptors, of which ``others`` are for
    something else, such as HTTP.
    """
    free = max(0, descriptors - OWN_DESCRIPTORS - others)
    pending = min(MOST_PENDING, max(LEAST_PENDING, int(free * PENDING_PART)))
    connections = min(MOST_CONNECTIONS, max(LEAST_CONNECTIONS, free - pending))
    if free < LEAST_PENDING + LEAST_CONNECTIONS:
        log.warning(
            "only %d files may be open at a time, too few for a coordinator: raise `ulimit -n`",
            descriptors,
        )
    return ServerLimits(
        max_connections=connections,
        max_pending=pending,
        worker_reserve=int(connections * WORKER_PART),
    )
