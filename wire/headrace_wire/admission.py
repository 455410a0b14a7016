"""Which connections are admitted, and which are closed when there are too many.

    enter ─► pending: has proven nothing so far ─► prove ─► proven: in a room of its own
      └──────────────────── leave ◄──────────────────┘

These rules contain no socket, task or clock. A new connection is never refused in favour of earlier
ones that have proven nothing: if their places are taken, the oldest of them is closed, so that
silent peers block nobody. While there are enough places, no address is limited to a share, because
a thousand honest workers may connect from one address. When there are not, a connection from an
address with more than its share is closed first. A proven connection is only closed in favour of
another proven one; unused ones go first, because their clients simply connect again.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from msgspec import Struct

from headrace_wire.connection import HANDSHAKE_SECONDS
from headrace_wire.errors import BusyError
from headrace_wire.roles import ADMIN, CLIENT, WORKER, Role

Who = TypeVar("Who", bound=Hashable)

#: The roles that may have the places that are reserved for workers, which may also connect with the
#: coordinator's own key.
RESERVED = (WORKER, ADMIN)

#: An address with more than this fraction of the places loses one first when they run short.
PENDING_SHARE = 1 / 4
PROVEN_SHARE = 1 / 2

#: The fraction of the pending places that new connections may take in one turn of the event loop. A
#: peer that answers at once completes its handshake in about five turns, and so before it is
#: closed.
ACCEPTED_SHARE = 1 / 8

#: After how many seconds without a call a connection may be closed for another one.
IDLE_SECONDS = 0.5

#: The prefix of an IPv4 address in a socket for both families.
_MAPPED = bytes(10) + b"\xff\xff"


class ServerLimits(Struct, frozen=True):
    """How many connections the server accepts, and how long their handshake may take."""

    handshake_seconds: float = HANDSHAKE_SECONDS
    #: The maximum number of connections that are served at a time.
    max_connections: int = 4096
    #: The maximum number of connections that are in their handshake at a time.
    max_pending: int = 512
    #: How many of the served connections are reserved, so that clients and observers cannot use
    #: them.
    worker_reserve: int = 1024


class _Pending(Struct, frozen=True):
    block: str
    number: int


class _Proven(Struct, frozen=True):
    block: str
    role: Role


class Admission(Generic[Who]):
    """Manages the places. ``measure_idle`` returns for how many seconds a proven connection has had
    no pending call; 0 while it has one.
    """

    def __init__(self, limits: ServerLimits, measure_idle: Callable[[Who], float]) -> None:
        self._limits = limits
        self._measure_idle = measure_idle
        self._numbers = itertools.count()
        #: The oldest first, of all addresses and of each block of addresses.
        self._pending: dict[Who, _Pending] = {}
        self._blocks: dict[str, dict[Who, None]] = {}
        #: Blocks with more than their share.
        self._crowded: set[str] = set()
        self._most_of_block = max(1, int(limits.max_pending * PENDING_SHARE))
        self._proven: dict[Who, _Proven] = {}
        self._proven_of: dict[str, int] = {}

    @property
    def accepts(self) -> int:
        """How many connections may be accepted in one turn of the event loop."""
        return max(1, int(self._limits.max_pending * ACCEPTED_SHARE))

    @property
    def pending(self) -> int:
        return len(self._pending)

    @property
    def proven(self) -> int:
        return len(self._proven)

    def is_pending(self, who: Who) -> bool:
        """Return whether this connection has a place, and has proven nothing so far."""
        return who in self._pending

    def enter(self, who: Who, host: str) -> Who | None:
        """Give a new connection a place. Returns the one that has to be closed for it, if any."""
        block = find_block(host)
        gone = None
        if len(self._pending) >= self._limits.max_pending:
            gone = self._choose_pending(block)
            self.leave(gone)
        self._pending[who] = _Pending(block, next(self._numbers))
        of_block = self._blocks.setdefault(block, {})
        of_block[who] = None
        if len(of_block) > self._most_of_block:
            self._crowded.add(block)
        return gone

    def shed(self) -> list[Who]:
        """Free the places of the oldest that have proven nothing, for another reason than new
        connections that need them. Returns these connections.
        """
        most = max(1, int(len(self._pending) * ACCEPTED_SHARE))
        gone = list(itertools.islice(self._pending, most))
        for who in gone:
            self.leave(who)
        return gone

    def prove(self, who: Who, role: Role = CLIENT) -> Who | None:
        """Move a connection to the proven ones. Returns the one that has to be closed for it, if
        any.

        Raises BusyError if there is no place for this role.
        """
        block = self._pending[who].block
        limits = self._limits
        places = limits.max_connections - (0 if role in RESERVED else limits.worker_reserve)
        gone = None
        if len(self._proven) >= max(1, places):
            gone = self._choose_proven(block)
            if gone is None:
                raise BusyError(
                    f"the coordinator has no room for another connection: {len(self._proven)} are "
                    "in use"
                )
            self.leave(gone)
        self.leave(who)
        self._proven[who] = _Proven(block, role)
        self._proven_of[block] = self._proven_of.get(block, 0) + 1
        return gone

    def leave(self, who: Who) -> None:
        """Free the place of a connection, if it has one."""
        if pending := self._pending.pop(who, None):
            of_block = self._blocks[pending.block]
            del of_block[who]
            if len(of_block) <= self._most_of_block:
                self._crowded.discard(pending.block)
            if not of_block:
                del self._blocks[pending.block]
        elif proven := self._proven.pop(who, None):
            self._proven_of[proven.block] -= 1
            if not self._proven_of[proven.block]:
                del self._proven_of[proven.block]

    def _choose_pending(self, block: str) -> Who:
        """Return the oldest connection: of the new connection's block if that has its share,
        otherwise of the blocks with more than their share, otherwise of all.
        """
        if len(self._blocks.get(block, ())) >= self._most_of_block:
            return next(iter(self._blocks[block]))
        heads = [next(iter(self._blocks[one])) for one in self._crowded]
        oldest = min(heads, key=lambda who: self._pending[who].number, default=None)
        return next(iter(self._pending)) if oldest is None else oldest

    def _choose_proven(self, block: str) -> Who | None:
        """Return the connection that was used least recently, in crowded blocks first; otherwise
        the oldest of a crowded block, for one from elsewhere; otherwise None. Workers are not
        closed.
        """
        crowded = {one for one, held in self._proven_of.items() if self._is_crowd(held)}
        found: tuple[bool, float] = (False, IDLE_SECONDS)
        gone: Who | None = None
        for who, at in self._list_others():
            rank = (at.block in crowded, self._measure_idle(who))
            if rank[1] >= IDLE_SECONDS and rank >= found:
                gone, found = who, rank
        if gone is None and crowded and block not in crowded:
            return next((who for who, at in self._list_others() if at.block in crowded), None)
        return gone

    def _is_crowd(self, held: int) -> bool:
        return held > self._limits.max_connections * PROVEN_SHARE

    def _list_others(self) -> Iterator[tuple[Who, _Proven]]:
        return ((who, at) for who, at in self._proven.items() if at.role != WORKER)


def find_block(host: str) -> str:
    """Return the block of an address, which counts as one: an IPv4 address, an IPv6 network of 64
    bits, in which one machine can have any number of addresses, or for anything else the name
    itself.
    """
    try:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return host
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[len(_MAPPED) :])
    if not any(packed[:8]):
        return host  # this machine
    return socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8)) + "/64"
