"""Limits the bytes of frames that are being received or sent: a server has only so much memory.

    part of a frame arrives ─► claim ─┬ granted ─► its buffer grows ─► … ─► release
                                      └ not now ─► nothing is read from there ─► resume

A connection without room waits in line, and nothing is lost. No group, such as the connections of
one address or of one role, has more than its share. Short frames need no room, so heartbeats and
leases are not delayed by large frames.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from msgspec import Struct

#: Frames up to this size are not counted.
SHORT_BYTES = 1 << 16

#: The fraction of the whole that one group may have.
GROUP_SHARE = 3 / 4

#: The group of all flows, in addition to their own groups.
ALL = ""


class Flow(Protocol):
    """Carries a frame, and belongs to some groups."""

    @property
    def groups(self) -> tuple[str, ...]: ...

    def resume(self) -> None:
        """Continue, because room has been granted."""
        ...


class _Wish(Struct, frozen=True):
    """The total number of bytes that a waiting flow wants, and the group that has no room for
    it.
    """

    size: int
    full: str


class Budget:
    """Divides ``most`` bytes among flows.

    One frame may exceed it if all pending ones wait for each other.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[Flow, int] = {}
        self._sums: Counter[str] = Counter()
        #: How many flows of each group hold something and do not wait.
        self._moving: Counter[str] = Counter()
        #: The waiting flows, of which the first is served first, and how many wait for which group.
        self._line: dict[Flow, _Wish] = {}
        self._waiting: Counter[str] = Counter()
        #: The flow that may exceed the limit, until it is released.
        self._favoured: Flow | None = None

    @property
    def total(self) -> int:
        """How many bytes are held."""
        return self._sums[ALL]

    @property
    def is_short(self) -> bool:
        """Whether any flow waits for room."""
        return bool(self._line)

    @property
    def is_ample(self) -> bool:
        """Whether a buffer may be allocated before there is something to fill it with."""
        return not self._line and self.total < self.most / 2

    def measure(self, flow: Flow) -> int:
        """Return how many bytes a flow holds."""
        return self._held.get(flow, 0)

    def claim(self, flow: Flow, size: int) -> bool:
        """Request this many bytes in total for a flow. If they are not granted, it is resumed
        later.
        """
        if size <= max(SHORT_BYTES, self.measure(flow)):
            return True
        return self._claim(flow, size)

    def reserve(self, flow: Flow, size: int) -> bool:
        """Request what a flow is going to need, in the same way."""
        return self._claim(flow, size)

    def hold(self, flow: Flow, size: int) -> None:
        """Count what already exists, instead of what was reserved for it."""
        if size <= SHORT_BYTES:
            self.release(flow)
            return
        self._grant(flow, size)
        if self._line:
            self._advance()

    def release(self, flow: Flow) -> None:
        """Free everything of a flow."""
        if flow is self._favoured:
            self._favoured = None
        self._leave(flow)
        if held := self._held.pop(flow, 0):
            for group in _list_groups(flow):
                self._sums[group] -= held
                self._moving[group] -= 1
                if not self._sums[group]:
                    del self._sums[group], self._moving[group]
        if self._line:
            self._advance()

    def _claim(self, flow: Flow, size: int) -> bool:
        if waiting := self._line.get(flow):
            self._line[flow] = _Wish(max(size, waiting.size), waiting.full)
            return False
        full = self._list_full(flow, size)
        if not full and self._waiting[ALL]:
            full = [ALL]  # nobody overtakes those who wait for it
        if flow is self._favoured or not full:
            self._grant(flow, size)
            return True
        self._stand(flow, _Wish(size, full[0]))
        if self._may_favour(full):
            self._advance(flow)
        return flow not in self._line

    def _list_full(self, flow: Flow, size: int) -> list[str]:
        """Return the groups that have no room for so much."""
        more = size - self.measure(flow)
        return [
            group for group in _list_groups(flow) if self._sums[group] + more > self._cap(group)
        ]

    def _cap(self, group: str) -> float:
        return self.most if group == ALL else self.most * GROUP_SHARE

    def _grant(self, flow: Flow, size: int) -> None:
        held = self.measure(flow)
        for group in _list_groups(flow):
            self._sums[group] += size - held
            self._moving[group] += not held
        self._held[flow] = size

    def _stand(self, flow: Flow, wish: _Wish) -> None:
        self._line[flow] = wish
        self._waiting[wish.full] += 1
        self._note_moving(flow, -1)

    def _leave(self, flow: Flow) -> None:
        if wish := self._line.pop(flow, None):
            self._waiting[wish.full] -= 1
            self._note_moving(flow, 1)

    def _note_moving(self, flow: Flow, change: int) -> None:
        if flow in self._held:
            for group in _list_groups(flow):
                self._moving[group] += change

    def _may_favour(self, full: list[str]) -> bool:
        """Return whether all flows of a group wait that hold something, so that none would free
        room.
        """
        return self._favoured is None and not all(self._moving[group] for group in full)

    def _advance(self, asking: Flow | None = None) -> None:
        """Serve waiting flows for which there is room, and one more if all wait for each other.

        ``asking`` is not resumed, because it learns this from the result of its call.
        """
        for flow, wish in list(self._line.items()):
            if self._line.get(flow) is not wish:
                continue  # it has gone meanwhile
            full = self._list_full(flow, wish.size)
            if full and self._may_favour(full):
                self._favoured = flow
            elif ALL in full:
                return
            elif full:
                continue
            self._leave(flow)
            self._grant(flow, wish.size)
            if flow is not asking:
                flow.resume()


def _list_groups(flow: Flow) -> tuple[str, ...]:
    return (ALL, *flow.groups)
