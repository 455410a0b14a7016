"""Bytes of frames that are on their way, in all: a server has memory for so many and no more.

    part of a frame arrives ─► claim ─┬ granted ─► its buffer grows ─► … ─► release
                                      └ not now ─► nothing is read from there ─► resume

Who has no room waits in line, and nobody loses anything by it. Frames that are short need no room:
heartbeats and leases go on whatever large frames do.
"""

from __future__ import annotations

from typing import Protocol

#: Frames up to this size are not counted.
SHORT_BYTES = 1 << 16


class Flow(Protocol):
    """What carries a frame."""

    def resume(self) -> None:
        """Room has been granted."""
        ...


class Budget:
    """Shares ``most`` bytes among flows.

    One frame may exceed it, when all that are on their way wait for each other.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[Flow, int] = {}
        self._total = 0
        #: Those that wait, with what they want to have in all; the first is served first.
        self._line: dict[Flow, int] = {}
        #: The one that may exceed all, until it is released.
        self._favoured: Flow | None = None

    @property
    def total(self) -> int:
        """Bytes that are held."""
        return self._total

    @property
    def is_short(self) -> bool:
        """Whether anybody waits for room."""
        return bool(self._line)

    @property
    def is_ample(self) -> bool:
        """Whether a buffer may be taken before there is something to fill it with."""
        return not self._line and self._total < self.most / 2

    def measure(self, flow: Flow) -> int:
        """Bytes that a flow holds."""
        return self._held.get(flow, 0)

    def claim(self, flow: Flow, size: int) -> bool:
        """Ask for so many bytes in all for a flow. If they are not granted, it is told later."""
        if size <= max(SHORT_BYTES, self._held.get(flow, 0)):
            return True
        if flow is self._favoured or (not self._line and self._fits(flow, size)):
            self._grant(flow, size)
            return True
        self._line[flow] = size
        if self._is_stuck():
            self._advance(flow)
        return flow not in self._line

    def add(self, flow: Flow, size: int) -> None:
        """Count what is there already."""
        if size > SHORT_BYTES:
            self._grant(flow, self._held.get(flow, 0) + size)

    def release(self, flow: Flow) -> None:
        """A flow needs nothing any more."""
        if flow is self._favoured:
            self._favoured = None
        self._line.pop(flow, None)
        self._total -= self._held.pop(flow, 0)
        if self._line:
            self._advance()

    def wait(self, flow: Flow) -> bool:
        """Stand in line for any room at all. Returns whether there is some now."""
        if not self._line and self._total < self.most:
            return True
        self._line[flow] = self._held.get(flow, 0)
        return False

    def _fits(self, flow: Flow, size: int) -> bool:
        return self._total - self._held.get(flow, 0) + size <= self.most

    def _grant(self, flow: Flow, size: int) -> None:
        self._total += size - self._held.get(flow, 0)
        self._held[flow] = size

    def _is_stuck(self) -> bool:
        """Whether all that hold something wait for more."""
        return all(flow in self._line for flow in self._held)

    def _advance(self, asking: Flow | None = None) -> None:
        """Serve those in line for whom there is room, and the first one whatever it wants if nobody
        else would ever leave room. ``asking`` learns of it by what it is answered.
        """
        while self._line:
            flow, size = next(iter(self._line.items()))
            if not (self._fits(flow, size) and self._total < self.most):
                if not self._is_stuck():
                    return
                self._favoured = flow
            del self._line[flow]
            if size:
                self._grant(flow, size)
            if flow is not asking:
                flow.resume()
