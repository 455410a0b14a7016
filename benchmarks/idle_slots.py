"""Slots that do nothing: what a worker of a crowd has in place of processes.

The operation of a job says what becomes of its tasks:

    none    nothing, at once; each claims to have taken ``TASK_SECONDS``
    echo    its own input, at once
    nap     nothing, when it has held a slot for the ``seconds`` of the job's parameters; there is
            one such job at a time
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Iterable, Iterator

from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.encoding import unpack
from headrace_wire.messages.leases import Lease
from headrace_wire.messages.reports import DoneSpan
from headrace_worker.feeder import AHEAD_SECONDS, SHORT_TASK_SECONDS

#: The operations.
NONE, ECHO, NAP = "none", "echo", "nap"

#: Seconds that a task claims to have taken that takes none. So many that 64 workers would do about
#: as many tasks as a coordinator can hand out; a lease has up to a thousand.
TASK_SECONDS = 0.001

#: Tasks in one run of a report: a slot's part of a lease.
RUN_TASKS = 50

#: Leases without an outcome beyond which no more are wanted, where outcomes come at once.
LEASES_HELD = 4

#: The value of a task that has none, as msgpack has it.
VALUE = b"\xc0"


class IdleSlots:
    """``ended`` is called with runs of tasks that are done, of which some may be one lease's."""

    def __init__(self, slots: int, ended: Callable[[DoneSpan], None]) -> None:
        self.slots = slots
        self._ended = ended
        #: The monotonic moments at which slots have done what they have, the soonest first.
        self._free_at = [0.0] * slots
        self._nap_seconds: dict[str, float] = {}

    def take(self, leases: Iterable[Lease]) -> None:
        """Do what these leases hold."""
        for lease in leases:
            if lease.operation == NAP:
                self._nap(lease)
                continue
            for run in _echo(lease) if lease.operation == ECHO else _finish(lease):
                self._ended(run)

    def count_wanted(self) -> int:
        """Count for how many slots work is wanted now, as ``Feeder.count_wanted`` does."""
        now = time.monotonic()
        if free := sum(moment <= now for moment in self._free_at):
            return free
        return self.slots if self.find_moment() <= now else 0

    def find_moment(self) -> float:
        """The monotonic moment at which work will be wanted."""
        soonest = self._free_at[0]
        if any(seconds > SHORT_TASK_SECONDS for seconds in self._nap_seconds.values()):
            return soonest
        return min(soonest, sum(self._free_at) / self.slots - AHEAD_SECONDS)

    def count_busy(self) -> int:
        now = time.monotonic()
        return sum(moment > now for moment in self._free_at)

    def _nap(self, lease: Lease) -> None:
        if lease.parameters is not None:
            self._nap_seconds = {lease.job: float(unpack(lease.parameters)["seconds"])}
        seconds = self._nap_seconds[lease.job]
        tasks = 1  # that a slot runs before it tells of them
        if seconds <= SHORT_TASK_SECONDS:
            tasks = max(1, min(RUN_TASKS, (lease.stop - lease.start) // self.slots))
        loop, now = asyncio.get_running_loop(), time.monotonic()
        for start in range(lease.start, lease.stop, tasks):
            stop = min(start + tasks, lease.stop)
            took = seconds * (stop - start)
            moment = max(now, self._free_at[0]) + took
            heapq.heapreplace(self._free_at, moment)
            values = pack_batch([VALUE] * (stop - start))
            run = DoneSpan(lease.id, lease.job, start, stop, values, 0.0, took)
            loop.call_later(moment - now, self._ended, run)


def _finish(lease: Lease) -> Iterator[DoneSpan]:
    """The outcomes of a lease, as the slots of a worker would have them."""
    for start in range(lease.start, lease.stop, RUN_TASKS):
        stop = min(start + RUN_TASKS, lease.stop)
        seconds = TASK_SECONDS * (stop - start)
        values = pack_batch([VALUE] * (stop - start))
        yield DoneSpan(lease.id, lease.job, start, stop, values, seconds, seconds)


def _echo(lease: Lease) -> Iterator[DoneSpan]:
    start = lease.start
    for batch in lease.inputs:
        stop = start + len(unpack_batch(batch))
        seconds = TASK_SECONDS * (stop - start)
        yield DoneSpan(lease.id, lease.job, start, stop, batch, seconds, seconds)
        start = stop
