"""A crowd: workers that do no work, to see what workers cost a coordinator.

    coordinator ─ leaser ─► IdleSlots ─► reporter ─► coordinator   three calls in one loop, and as
                  heart ───────────────────────────► coordinator   many connections, for each worker

``python -m benchmarks.crowd ADDRESS KEY_FILE WORKERS SLOTS`` is a process with so many of them of
so many slots, which speak as ``headrace_worker`` does: one asks for work, one beats, and one
reports all that has ended while its last report was under way. The process ends when it is killed.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections import deque
from math import inf
from pathlib import Path

from benchmarks.idle_slots import LEASES_HELD, IdleSlots
from headrace_wire.address import parse_address
from headrace_wire.api import JobQueueApi, ResultQueueApi
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.messages.workers import Heartbeat, WorkerInfo
from headrace_wire.open_files import raise_limit
from headrace_wire.system.event_loop import run
from headrace_worker.heartbeats import LONGEST_BEAT_SECONDS
from headrace_worker.holdings import Holdings
from headrace_worker.leaser import LEASE_WAIT_SECONDS
from headrace_worker.reporter import MAX_REPORT_BYTES, REPORT_SECONDS
from headrace_worker.wake import wait_until

#: What the workers of a crowd offer: the name of no service of ours, and that of calls.
SERVICES = ("growth", "calls")

#: Workers of one process that introduce themselves at a time.
ARRIVING = 50

#: Seconds for connections to be taken in, where many come at once.
PATIENCE_SECONDS = 60.0


class IdleWorker:
    """A worker whose slots do nothing."""

    def __init__(self, manager: QueueManager, slots: int) -> None:
        self._jobs, self._beats = manager.async_jobs(), manager.async_jobs()
        self._results = manager.async_results()
        self._info = WorkerInfo(
            id=secrets.token_hex(8),
            name=f"idle-{secrets.token_hex(4)}",
            host="here",
            process=0,
            slots=slots,
            slots_limit="",
            start_method="none",
            version="0",
            engines=dict.fromkeys(SERVICES, "none"),
            cores=slots,
            memory_limit_bytes=0,
            python="",
            engine="pool",
        )
        self._holdings = Holdings()
        self._slots = IdleSlots(slots, self._end)
        self._ended: deque[DoneSpan] = deque()
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()

    async def register(self) -> None:
        """Introduce it."""
        await self._jobs.call(JobQueueApi.register, self._info, ())

    async def work(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            for call in (self._lease(), self._report(), self._beat()):
                group.create_task(call)

    def _end(self, run: DoneSpan) -> None:
        self._ended.append(run)
        self._changed.set()

    async def _lease(self) -> None:
        number = 0
        while True:
            slots = 0 if self._is_behind() else self._slots.count_wanted()
            if not slots:
                moment = inf if self._is_behind() else self._slots.find_moment()
                await wait_until(self._wanted, moment)
                continue
            number += 1
            request = LeaseRequest(
                worker=self._info.id,
                number=number,
                free_slots=slots,
                wait_seconds=LEASE_WAIT_SECONDS,
                known_jobs=self._holdings.known_jobs(),
            )
            grant = await self._jobs.call(JobQueueApi.lease, request)
            self._holdings.take(grant.leases, number)
            self._slots.take(grant.leases)

    async def _report(self) -> None:
        number = 0
        while True:
            begun = time.monotonic()
            await wait_until(self._changed)
            if self._slots.count_busy():  # there will be more
                await asyncio.sleep(begun + REPORT_SECONDS - time.monotonic())
            while runs := self._take_ended():
                number += 1
                report = Report(self._info.id, number, runs, (), (), ())
                await self._results.call(ResultQueueApi.report, report)
                for done in runs:
                    self._holdings.release(done.lease, done.stop - done.start)
                self._wanted.set()

    def _is_behind(self) -> bool:
        """Whether so much is to be reported that no more work is wanted."""
        return len({run.lease for run in self._ended}) >= LEASES_HELD

    def _take_ended(self) -> tuple[DoneSpan, ...]:
        """Take what one report has room for."""
        taken: list[DoneSpan] = []
        size = 0
        while self._ended:
            size += len(self._ended[0].values)
            if taken and size > MAX_REPORT_BYTES:
                break
            taken.append(self._ended.popleft())
        return tuple(taken)

    async def _beat(self) -> None:
        orders = 0
        while True:
            request, leases = self._holdings.snapshot()
            beat = Heartbeat(
                worker=self._info.id,
                request=request,
                leases=leases,
                busy=self._slots.count_busy(),
                rss_bytes=0,
                draining=False,
                wait_seconds=LONGEST_BEAT_SECONDS,
                orders=orders,
            )
            told = await self._beats.call(JobQueueApi.heartbeat, beat)
            if not told.known:
                sys.exit("a worker counts as lost")
            orders = told.number


async def gather(manager: QueueManager, count: int, slots: int) -> None:
    """Let so many workers work for ever. The process ends with the first that fails: such a crowd
    would measure something else.
    """
    arriving = asyncio.Semaphore(ARRIVING)

    async def join(worker: IdleWorker) -> None:
        async with arriving:
            await worker.register()
        await worker.work()

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(join(IdleWorker(manager, slots)))


def main() -> None:
    address, key_file, workers, slots = sys.argv[1:]
    raise_limit()
    manager = QueueManager(
        parse_address(address), load_key(Path(key_file)), patience_seconds=PATIENCE_SECONDS
    )
    run(gather(manager, int(workers), int(slots)))


if __name__ == "__main__":
    main()
