"""Sessions: the processes that use shared state, what they were answered, and what they hold."""

from __future__ import annotations

from msgspec import Struct, field

from headrace_wire.errors import ProtocolError
from headrace_wire.shared import SharedAnswer, Stamp

#: Bytes that a session and a lane take in memory, about, beside the answers.
SESSION_BYTES = 800
LANE_BYTES = 250

#: Lanes of one session, at most: calls that it can have under way at a time.
MAX_LANES = 10_000


class Lane(Struct):
    """The last request of a lane, and its answer if it had one that has to be repeated.

    ``size_bytes`` is what the answer keeps in memory that nothing else keeps.
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
    #: What of its size the room has counted.
    counted_bytes: int = 0

    def find_lane(self, stamp: Stamp) -> Lane:
        """The lane of a request, made if it is its first.

        Raises ProtocolError for a request that nobody waits for any more.
        """
        lane = self.lanes.get(stamp.lane)
        if lane is None:
            lane = self._add_lane(stamp)
        if stamp.number < lane.number:
            raise ProtocolError("a request for shared state came after its successor")
        return lane

    def abandon(self, stamp: Stamp) -> None:
        """Answer this request no more, should it be waiting somewhere. Raises ProtocolError."""
        lane = self.lanes.get(stamp.lane) or self._add_lane(stamp)
        if lane.number <= stamp.number:
            lane.number = stamp.number + 1
            lane.answer = None

    def _add_lane(self, stamp: Stamp) -> Lane:
        if len(self.lanes) >= MAX_LANES:
            raise ProtocolError(f"one process has {MAX_LANES} calls on shared state under way")
        lane = self.lanes[stamp.lane] = Lane(stamp.number)
        return lane

    @property
    def size_bytes(self) -> int:
        """What it takes in memory beside its answers."""
        return SESSION_BYTES + LANE_BYTES * len(self.lanes)

    @property
    def answer_bytes(self) -> int:
        return sum(lane.size_bytes for lane in self.lanes.values())


def measure_answer(answer: SharedAnswer) -> int:
    """Bytes that an answer keeps."""
    return sum(map(len, answer.values))
