"""Sessions: the processes that use shared state, what they were answered, and what they hold."""

from __future__ import annotations

from msgspec import Struct, field

from headrace_wire.messages.shared import SharedAnswer

#: About how many bytes a session and a lane take in memory, beside the answers.
SESSION_BYTES = 800
LANE_BYTES = 250


class Lane(Struct):
    """The last request of a lane, and its answer if that may have to be repeated.

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
    #: The name of the key that it came with first; "" as long as that is not known.
    key: str = ""

    @property
    def size_bytes(self) -> int:
        """What it takes in memory beside its answers."""
        return SESSION_BYTES + LANE_BYTES * len(self.lanes)

    @property
    def answer_bytes(self) -> int:
        return sum(lane.size_bytes for lane in self.lanes.values())
