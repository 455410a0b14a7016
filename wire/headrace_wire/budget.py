"""Bytes of frames that are on their way: a server has memory for so many and no more.

    part of a frame arrives ─► claim ─┬ granted ─► its buffer grows ─► … ─► release
                                      └ not now ─► nothing is read from there ─► resume

Who has no room waits in line, and nobody loses anything by it. No group, such as the connections of
one address or of one role, has more than its share. Frames that are short need no room: heartbeats
and leases go on whatever large frames do.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from msgspec import Struct

#: Frames up to this size are not counted.
SHORT_BYTES = 1 << 16

#: The part of all that one group may have.
GROUP_SHARE = 3 / 4

#: What all flows belong to, beside their groups.
ALL = ""


class Flow(Protocol):
    """What carries a frame, of some groups."""

    @property
    def groups(self) -> tuple[str, ...]: ...

    def resume(self) -> None:
        """Room has been granted."""
        ...


class _Wish(Struct, frozen=True):
    """What a flow in line wants to have in all, and the group that has no room for it."""

    size: int
    full: str


class Budget:
    """Shares ``most`` bytes among flows.

    One frame may exceed it, when all that are on their way wait for each other.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[Flow, int] = {}
        self._sums: Counter[str] = Counter()
        #: Flows of each group that hold something and do not wait.
        self._moving: Counter[str] = Counter()
        #: Those that wait, the first of which is served first, and how many for which group.
        self._line: dict[Flow, _Wish] = {}
        self._waiting: Counter[str] = Counter()
        #: The one that may exceed all, until it is released.
        self._favoured: Flow | None = None

    @property
    def total(self) -> int:
        """Bytes that are held."""
        return self._sums[ALL]

    @property
    def is_short(self) -> bool:
        """Whether anybody waits for room."""
        return bool(self._line)

    @property
    def is_ample(self) -> bool:
        """Whether a buffer may be taken before there is something to fill it with."""
        return not self._line and self.total < self.most / 2

    def measure(self, flow: Flow) -> int:
        """Bytes that a flow holds."""
        return self._held.get(flow, 0)

    def claim(self, flow: Flow, size: int) -> bool:
        """Ask for so many bytes in all for a flow. If they are not granted, it is told later."""
        if size <= max(SHORT_BYTES, self.measure(flow)):
            return True
        return self._claim(flow, size)

    def reserve(self, flow: Flow, size: int) -> bool:
        """Ask for what a flow is going to need, likewise."""
        return self._claim(flow, size)

    def hold(self, flow: Flow, size: int) -> None:
        """Count what is there already, in place of what was reserved for it."""
        if size <= SHORT_BYTES:
            self.release(flow)
            return
        self._grant(flow, size)
        if self._line:
            self._advance()

    def release(self, flow: Flow) -> None:
        """A flow needs nothing any more."""
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
            full = [ALL]  # nobody passes those who wait for it
        if flow is self._favoured or not full:
            self._grant(flow, size)
            return True
        self._stand(flow, _Wish(size, full[0]))
        if self._may_favour(full):
            self._advance(flow)
        return flow not in self._line

    def _list_full(self, flow: Flow, size: int) -> list[str]:
        """The groups that have no room for so much."""
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
        """Whether all of a group that hold something wait: nobody of it would ever leave room."""
        return self._favoured is None and not all(self._moving[group] for group in full)

    def _advance(self, asking: Flow | None = None) -> None:
        """Serve those in line for whom there is room, and one more if all wait for each other.

        ``asking`` learns of it by what it is answered.
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
