"""The injector: does what the plan says, when it says, and ends what lasts.

    plan ─► wait until it is due ─► fault ─► undo, due when the fault has lasted ─┐
                  ▲──────────────────────────────────────────────────────────────┘

Called by the run, in its thread; returns when every fault has been done and undone.
"""

from __future__ import annotations

import heapq
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count

from support.chaos.faults import FAULTS, Undo
from support.chaos.schedule import Step
from support.chaos.world import HopelessError, World


class Injector:
    """``tell`` hears of every fault, in words."""

    def __init__(self, world: World, tell: Callable[[str], None]) -> None:
        self._world = world
        self._tell = tell
        self._begun = time.monotonic()
        self._undos: list[tuple[float, int, Undo]] = []
        self._order = count()
        self._clock = threading.Event()  # never set: it waits

    def run(self, plan: Sequence[Step]) -> None:
        """Do the whole plan. Raises HopelessError when something hangs or has gone."""
        for step in plan:
            self._wait_until(step.at_seconds)
            self._world.check_alive()
            self._do(step)
        while self._undos:
            self._undo_next()

    def _do(self, step: Step) -> None:
        while all(seat.disturbed for seat in self._world.seats):
            self._undo_next()
        self._tell(f"{self._now():6.1f} s  {step.fault}")
        self._world.injected[step.fault] += 1
        try:
            undo = FAULTS[step.fault](self._world, step)
        except (TimeoutError, AssertionError, subprocess.TimeoutExpired) as error:
            message = f"{step.fault} at {step.at_seconds} s: {error}"
            raise HopelessError(message) from error
        if undo:
            due = self._now() + step.lasts_seconds
            heapq.heappush(self._undos, (due, next(self._order), undo))

    def _wait_until(self, seconds: float) -> None:
        while self._undos and self._undos[0][0] <= seconds:
            self._undo_next()
        self._clock.wait(max(0.0, seconds - self._now()))

    def _undo_next(self) -> None:
        due, _, undo = heapq.heappop(self._undos)
        self._clock.wait(max(0.0, due - self._now()))
        undo()

    def _now(self) -> float:
        return time.monotonic() - self._begun
