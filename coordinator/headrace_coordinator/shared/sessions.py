"""Sessions: the processes that use shared state, their last answers, and what they hold."""

from __future__ import annotations

from collections import Counter
from math import inf

from msgspec import Struct, field

from headrace_coordinator.moment import Now
from headrace_coordinator.shared import events
from headrace_coordinator.shared.objects import SharedContext
from headrace_coordinator.shares import share_of
from headrace_wire.errors import ProtocolError, SharedFullError
from headrace_wire.messages.shared import SharedAnswer, Stamp

#: The approximate size of a session and of a lane in memory, without the answers, in bytes.
SESSION_BYTES = 800
LANE_BYTES = 250

#: The maximum size of all sessions without their answers, in bytes.
SESSIONS_LIMIT_BYTES = 64 << 20

#: The maximum number of lanes of one session, that is, of its simultaneous calls.
MAX_LANES = 10_000

#: After how many seconds of silence a session's answers are deleted: longer than any client tries.
SESSION_SECONDS = 3600.0


class Lane(Struct):
    """The last request of a lane, and its answer if that may have to be repeated.

    ``size_bytes`` is the memory of the answer that is not shared with anything else.
    """

    number: int
    answer: SharedAnswer | None = None
    size_bytes: int = 0


class Session(Struct):
    """One process. ``holding`` names the locks and queues of which it holds something."""

    id: str
    heard: float
    lanes: dict[int, Lane] = field(default_factory=dict[int, Lane])
    holding: set[str] = field(default_factory=set[str])
    #: The name of the key with which it first connected; "" as long as that is not known.
    key: str = ""

    @property
    def size_bytes(self) -> int:
        """Its size in memory without the answers, in bytes."""
        return SESSION_BYTES + LANE_BYTES * len(self.lanes)

    @property
    def answer_bytes(self) -> int:
        return sum(lane.size_bytes for lane in self.lanes.values())


class Sessions:
    """The sessions by id, in the order in which they last sent something, and their size.

    A session may be removed if it holds nothing.
    """

    def __init__(self, context: SharedContext, lease_seconds: float) -> None:
        self._context = context
        self._context.relieve = self._forget_answers
        self._lease_seconds = lease_seconds
        self.by_id: dict[str, Session] = {}
        #: The size of sessions and lanes without the answers, and that of each key.
        self.size_bytes = 0
        self.bytes_by_key: Counter[str] = Counter()

    def next_deadline(self) -> float:
        """Return the monotonic time at which a session becomes silent next, infinity for never."""
        return min(
            (
                session.heard + (self._lease_seconds if session.holding else SESSION_SECONDS)
                for session in self.by_id.values()
            ),
            default=inf,
        )

    def remove(self, session: Session) -> None:
        """Remove a session that holds nothing, with its answers."""
        self._context.count(-session.answer_bytes, session.key)
        del self.by_id[session.id]
        self._count(session, -session.size_bytes)
        self._context.emit(events.SharedSessionGone(session.id))

    def hear(self, session_id: str, now: Now, key: str = "") -> Session:
        """Return a session, which is made if it is new, and note that it is alive."""
        session = self.by_id.pop(session_id, None)
        if session is None:
            self.make_room(SESSION_BYTES, now, key)
            session = Session(session_id, now.monotonic, key=key)
            self._count(session, SESSION_BYTES)
        elif key and not session.key:  # it was restored
            self._count(session, -session.size_bytes)
            self._context.count(-session.answer_bytes, "")
            session.key = key
            self._count(session, session.size_bytes)
            self._context.count(session.answer_bytes, key)
        self.by_id[session_id] = session
        session.heard = now.monotonic
        return session

    def find_lane(self, session: Session, stamp: Stamp) -> Lane:
        """Return the lane of a request, which is made if it is new. Raises ProtocolError."""
        lane = session.lanes.get(stamp.lane)
        if lane is None:
            if len(session.lanes) >= MAX_LANES:
                raise ProtocolError(f"one process has {MAX_LANES} calls on shared state under way")
            lane = session.lanes[stamp.lane] = Lane(stamp.number)
            self._count(session, LANE_BYTES)
        return lane

    def _count(self, session: Session, growth_bytes: int) -> None:
        self.size_bytes += growth_bytes
        self.bytes_by_key[session.key] += growth_bytes
        if not self.bytes_by_key[session.key]:
            del self.bytes_by_key[session.key]

    def _forget_answers(self, wanted_bytes: int, key: str | None) -> None:
        """Remove silent sessions with answers, of one key or of any, as far as needed: those that
        have been silent longest first.
        """
        for session in list(self.by_id.values()):
            if wanted_bytes <= 0 or session.heard + self._lease_seconds > self._context.now:
                return
            if not session.holding and session.answer_bytes and key in (None, session.key):
                wanted_bytes -= session.answer_bytes
                self.remove(session)

    def make_room(self, growth_bytes: int, now: Now, key: str) -> None:
        """Remove the sessions that have been silent longest, if all together take too much memory.

        Raises SharedFullError if that does not help, and if one key takes more than its share.
        """
        most = share_of(SESSIONS_LIMIT_BYTES, key)
        if most < SESSIONS_LIMIT_BYTES and self.bytes_by_key[key] + growth_bytes > most:
            for session in list(self.by_id.values()):
                if session.heard + self._lease_seconds > now.monotonic:
                    break
                if session.key == key and not session.holding:
                    self.remove(session)
            if self.bytes_by_key[key] + growth_bytes > most:
                raise SharedFullError(
                    f"too many programs with the key {key!r} use shared state at a time: the rest "
                    "of the room is for other keys"
                )
        while self.size_bytes + growth_bytes > SESSIONS_LIMIT_BYTES:
            oldest = next(iter(self.by_id.values()), None)
            if (
                oldest is None
                or oldest.holding
                or oldest.heard + self._lease_seconds > now.monotonic
            ):
                raise SharedFullError(
                    f"too many programs use shared state at a time: {len(self.by_id)} were "
                    f"heard of within {self._lease_seconds:g} s"
                )
            self.remove(oldest)

    def keep_answer(self, session: Session, stamp: Stamp, lane: Lane, answer: SharedAnswer) -> None:
        """Keep a lane's answer, in the store as well."""
        self.remember(session, lane, answer)
        self._context.emit(events.SharedAnswered(stamp, answer))

    def remember(self, session: Session, lane: Lane, answer: SharedAnswer | None) -> None:
        """Keep a lane's answer, or none, and count its bytes."""
        size_bytes = measure_answer(answer) if answer else 0
        self._context.count(size_bytes - lane.size_bytes, session.key)
        lane.answer, lane.size_bytes = answer, size_bytes


def measure_answer(answer: SharedAnswer) -> int:
    """Return the size of an answer's values in bytes."""
    return sum(map(len, answer.values))
