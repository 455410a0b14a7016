"""The feeder keeps the pool busy, and passes on what comes from it.

leaser ─ count_wanted ─► Feeder        leaser ─ take ─► LeaseIntake ─► Pool.submit ─► slots
heartbeats ─ obey ─────► Feeder ─► Pool.cancel, Pool.hand_back
reporter ◄────────────── Feeder ◄─ Pool.take_events ◄── slots
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from headrace_wire.messages.workers import Orders
from headrace_wire.round_trip import RoundTrip
from headrace_wire.system.heap import give_blocks_back
from headrace_worker.engines.engine import Engine
from headrace_worker.lease_intake import LeaseIntake
from headrace_worker.machine.processes import CpuMeter, read_usage
from headrace_worker.pool.batch import count_tasks
from headrace_worker.prefetch import Outlook, Times, find_stuck_seconds, look_ahead
from headrace_worker.reporter import Reporter
from headrace_worker.stop_signals import StopSignals
from headrace_worker.wake import wait_until

#: Seconds between two measurements of the memory of the slots.
LOOK_SECONDS = 2.0

#: If every slot has been in one task for longer than this, tasks that wait here go to other
#: workers.
STUCK_SECONDS = 0.25

#: Tasks that take less than this many seconds are requested in advance, while there are less than
#: this many seconds of work for each slot.
SHORT_TASK_SECONDS = 0.1
AHEAD_SECONDS = 0.25

#: If more bytes of values than this wait to be reported, no more work is requested. The second
#: number applies if the coordinator is far away, when most of these bytes are being sent.
MAX_PENDING_BYTES = 16 << 20
FAR_PENDING_BYTES = 48 << 20

#: The maximum number of bytes of inputs in one request, and of those that are here and on their
#: way, if the coordinator is far away.
REQUEST_BYTES = 4 << 20
AHEAD_BYTES = 48 << 20

#: How many seconds of work for each slot a request brings if there is enough.
REQUEST_SECONDS = 0.5

#: Tasks are returned if there are this many times as many as are needed.
SURPLUS_FACTOR = 2


@dataclass
class Feeder:
    """``news`` is set when slots or others have something for the pool; ``wanted`` is set when more
    work may be wanted than before.
    """

    pool: Engine
    intake: LeaseIntake
    reporter: Reporter
    stop: StopSignals
    news: asyncio.Event
    wanted: asyncio.Event
    round_trip: RoundTrip
    #: When more work may be wanted (monotonic), whatever happens until then.
    wanted_at: float = inf
    #: Resident memory of the slots and the agent, and their share of a core, when last measured.
    rss_bytes: int = 0
    cpu_percent: float = 0.0
    draining: bool = False
    #: How many tasks are here that were leased before it was known how long they take.
    _guessed_tasks: int = 0
    _heap_used: bool = False
    _closing: bool = False

    async def feed(self) -> None:
        """Run the pool until the worker is told to stop."""
        self.pool.attach(asyncio.get_running_loop(), self.news.set)
        while not self.stop.requests:
            self._pass_on()
            self.wanted.set()
            moment = self.pool.due_seconds
            if self.pool.pending_tasks:
                if self.pool.is_stuck(self._stuck_seconds):
                    self.reporter.add(self.pool.hand_back())
                moment = min(moment, time.monotonic() + STUCK_SECONDS)
            await wait_until(self.news, moment)

    def note_guessed(self, tasks: int) -> None:
        """Note that tasks were leased of which it was not known here how long they take."""
        self._guessed_tasks += tasks

    async def drain(self, seconds: float) -> bool:
        """Hand back tasks that have not started, and let running tasks finish.

        Returns False if they took too long. The caller then closes the pool.
        """
        self.draining = True
        deadline = time.monotonic() + seconds
        self._hand_back()
        self._pass_on()  # an outcome may have arrived together with the signal
        while self.pool.outstanding and self.stop.requests < 2 and time.monotonic() < deadline:
            await wait_until(self.news, min(deadline, self.pool.due_seconds))
            self._pass_on()
        self._closing = True
        self.pool.detach()
        return not self.pool.outstanding or self.stop.requests > 1

    async def look(self) -> None:
        """Measure memory and CPU time of slots and agent, and expire data, until cancelled."""
        meter = CpuMeter()
        while True:
            if self.pool.outstanding:
                self._heap_used = True
            elif self._heap_used:
                self._heap_used = False
                give_blocks_back()
            usage = {**self.pool.read_usage(), os.getpid(): read_usage(os.getpid())}
            self.rss_bytes = sum(one.rss_bytes for one in usage.values())
            self.cpu_percent = meter.measure({pid: usage[pid].cpu_seconds for pid in usage})
            self.intake.expire_data()
            await asyncio.sleep(LOOK_SECONDS)

    def count_wanted(self, asked: Sequence[int] = ()) -> int:
        """Return for how many slots work is wanted now, besides the work in the requests ``asked``.

        Long tasks are requested only when a slot is free: a task that waited behind another one
        here could have run elsewhere. Short tasks are requested a little in advance, so that slots
        do not wait for a round trip. If the coordinator is far away, this applies to all tasks
        except those that take much longer than a round trip.
        """
        pool = self.pool
        self.wanted_at = inf
        most = FAR_PENDING_BYTES if self.round_trip.seconds else MAX_PENDING_BYTES
        if self.reporter.pending_bytes > most or pool.is_stuck(self._stuck_seconds):
            return 0
        waiting = pool.queued_tasks
        size = self.intake.mean_bytes
        if asked and waiting * size + len(asked) * min(REQUEST_BYTES, size * 1e6) > AHEAD_BYTES:
            return 0
        round_trip = self.round_trip.seconds
        times = pool.find_times() if round_trip else None
        waiting += sum(self._foresee(times, slots) for slots in asked)
        outlook = look_ahead(times, pool.list_left(), round_trip) if times else Outlook(0)
        self.wanted_at = time.monotonic() + outlook.next_seconds
        wanted = max(pool.idle_slots, outlook.tasks)
        if waiting < wanted:
            return min(wanted - waiting, pool.slots)
        if asked:
            return 0
        mean_seconds = pool.mean_seconds
        if mean_seconds is None or mean_seconds > SHORT_TASK_SECONDS:
            return 0
        ahead_seconds = pool.pending_seconds
        if ahead_seconds is None or ahead_seconds >= AHEAD_SECONDS * pool.slots:
            return 0
        return pool.slots

    def obey(self, orders: Orders) -> None:
        """Carry out the orders in the answer to a heartbeat."""
        if self._closing:
            return
        for job in orders.cancelled_jobs:
            self.pool.cancel(job)
            self.intake.cancel(job)
        for task in orders.cancelled_tasks:
            self.pool.cancel_task(task.job, task.index)
        if orders.hand_back:
            self._hand_back()
        if orders.drain:
            self.stop.request("the coordinator asks")
        self.news.set()

    def _foresee(self, times: Times | None, slots: int) -> int:
        """Estimate how many tasks a request for this many slots brings, if there are enough."""
        seconds, size = times.mean_seconds if times else 0.0, self.intake.mean_bytes
        most = REQUEST_SECONDS * slots / seconds if seconds else slots
        return max(1, int(min(most, REQUEST_BYTES / size if size else most)))

    @property
    def _stuck_seconds(self) -> float:
        round_trip = self.round_trip.seconds
        if not round_trip:
            return STUCK_SECONDS
        return STUCK_SECONDS + find_stuck_seconds(self.pool.find_times(), round_trip)

    def _pass_on(self) -> None:
        """Report everything that came from the slots."""
        events = self.pool.take_events()
        # Lines go first, so that they are there when the outcome of their task is.
        if lines := self.pool.take_lines():
            self.reporter.add_lines(lines)
        if events:
            self.reporter.add(events, more=bool(self.pool.outstanding))
            self._return_surplus(sum(map(count_tasks, events)))

    def _return_surplus(self, ended_tasks: int) -> None:
        """Return what was leased for short tasks, if it turns out that they are long."""
        times = self.pool.find_times() if self._guessed_tasks else None
        if times is None:
            return
        self._guessed_tasks = max(0, self._guessed_tasks - ended_tasks)
        needed = self._count_needed(times)
        if self.pool.queued_tasks > SURPLUS_FACTOR * needed:
            self._guessed_tasks = 0
            self.reporter.add(self.pool.hand_back(keep=needed))

    def _count_needed(self, times: Times) -> int:
        """Return how many tasks are here, or arrive at once, if it is known how long they take."""
        outlook = look_ahead(times, self.pool.list_left(), self.round_trip.seconds)
        return outlook.tasks + self._foresee(times, self.pool.slots)

    def _hand_back(self) -> None:
        """Hand back every task that has not started."""
        self.reporter.add([*self.pool.hand_back(), *self.intake.hand_back()])
