"""The file descriptors of a serving process, and for how many connections they suffice."""

from __future__ import annotations

import logging

from headrace_wire.admission import ServerLimits
from headrace_wire.bounds import MAX_WORKERS

log = logging.getLogger(__name__)

#: Descriptors that connections never use: for the store, its readers and copies of it, the log, the
#: event loop, and what libraries open.
OWN_DESCRIPTORS = 48

#: How many connections suffice for the maximum number of workers: a busy worker has three, and the
#: others are for clients.
MOST_CONNECTIONS = 4 * MAX_WORKERS
MOST_PENDING = 1024

#: The fraction of the descriptors for connections in their handshake, and the fraction of the
#: others that only workers may use.
PENDING_PART = 1 / 4
WORKER_PART = 1 / 4

#: A coordinator cannot work with fewer connections than these.
LEAST_PENDING, LEAST_CONNECTIONS = 4, 8


def share_descriptors(descriptors: int, others: int = 0) -> ServerLimits:
    """Return how many connections a server may have with this many descriptors, of which ``others``
    are for something else, such as HTTP.
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
