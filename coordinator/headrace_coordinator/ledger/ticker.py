"""The ticker passes the time to the queue when something is due, and at least every second.

    due ─► maintain the store ─► commit a tick ─► set the timer to the next deadline

If something becomes due earlier, the next tick is brought forward: see MomentSet. The coordinator
starts it in its event loop, and stops it before the store is closed.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.events import Event, MomentSet
from headrace_coordinator.store.need import RELIEF
from headrace_wire.errors import StoreError

log = logging.getLogger(__name__)

#: The minimum number of seconds between two times of maintaining the store.
CARE_SECONDS = 0.25

#: The shortest pause between ticks, in seconds. The pause normally lasts until the next deadline.
SHORTEST_TICK_SECONDS = 0.005

#: The pause after a tick as a multiple of its duration, because the loop also has to serve others
#: when there are many jobs; and the longest pause between ticks.
PAUSES_PER_TICK = 4.0
LONGEST_TICK_SECONDS = 1.0

#: How many seconds to wait if a timer ends before its time by the coordinator's clock.
SHORTEST_TIMER_SECONDS = 0.001


class Ticker:
    """Ticks a ledger, in the event loop's thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: When the next tick is due, and when it may happen at the earliest, by the coordinator's
        #: own clock.
        self._moment, self._earliest = math.inf, -math.inf
        self._next_care = 0.0
        self._on_tick: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Tick soon, and then whenever something is due."""
        self._loop = asyncio.get_running_loop()
        self.bring_forward(-math.inf)

    def stop(self) -> None:
        self._loop = None
        if self._timer:
            self._timer.cancel()

    def then(self, on_tick: Callable[[], None]) -> None:
        """Call this function after each tick, that is once a second or more often."""
        self._on_tick = on_tick

    def note(self, events: Sequence[Event]) -> None:
        """Bring the next tick forward if one of the ledger's events requires it."""
        for event in events:
            if isinstance(event, MomentSet):
                self.bring_forward(event.moment)

    def bring_forward(self, moment: float) -> None:
        """Tick at this time, if the next tick would be later."""
        if moment < self._moment:
            self._moment = moment
            self._set_timer()

    def _set_timer(self) -> None:
        if self._loop is None:
            return
        if self._timer:
            self._timer.cancel()
        left = max(self._moment, self._earliest) - self._ledger.now().monotonic
        self._timer = self._loop.call_later(max(left, SHORTEST_TIMER_SECONDS), self._tick)

    def _tick(self) -> None:
        if max(self._moment, self._earliest) > self._ledger.now().monotonic:
            self._set_timer()  # the coordinator's own clock stood still meanwhile
            return
        begun = time.monotonic()
        self._moment = math.inf  # set below, or by an event of this tick
        deadline = math.inf
        try:
            if time.monotonic() >= self._next_care:
                self._next_care = time.monotonic() + CARE_SECONDS
                self._ledger.compact()
                self._ledger.mend()
            self._ledger.commit_now(lambda queue, now: queue.tick(now), RELIEF)
            deadline = self._ledger.observe(lambda queue, _: queue.next_deadline())
            self._on_tick()
        except StoreError as error:  # the ledger has logged it, and /readyz reports it
            log.debug("%s", error)
        except Exception:
            log.exception("the ticker failed once")
        now = self._ledger.now().monotonic
        took = time.monotonic() - begun
        pause = min(PAUSES_PER_TICK * took, LONGEST_TICK_SECONDS)
        self._earliest = now + max(SHORTEST_TICK_SECONDS, pause)
        self._moment = min(self._moment, deadline, now + LONGEST_TICK_SECONDS)
        self._set_timer()
