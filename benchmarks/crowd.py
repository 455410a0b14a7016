"""A crowd: workers that do no work, to see what workers cost a coordinator.

    coordinator ─ leaser ─► granted ─► reporter ─► coordinator     three calls in one loop, and as
                  heart ─────────────────────────► coordinator     many connections, for each worker

``python -m benchmarks.crowd ADDRESS KEY_FILE WORKERS`` is a process with so many of them, which
speak as ``headrace_worker`` does: one asks for work, one beats, and one reports all that was
granted while its last report was under way. Each claims that a task takes ``TASK_SECONDS``, which
decides how many tasks a lease has, and has a value of one byte for it at once. The process ends
when it is killed.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path

from benchmarks.systems.system import SLOTS
from headrace_wire.address import parse_address
from headrace_wire.api import JobQueueApi, ResultQueueApi
from headrace_wire.batch import pack_batch
from headrace_wire.event_loop import run
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages import DoneSpan, Heartbeat, Lease, LeaseRequest, Report, WorkerInfo
from headrace_worker.heartbeats import LONGEST_BEAT_SECONDS
from headrace_worker.holdings import Holdings
from headrace_worker.leaser import LEASE_WAIT_SECONDS

#: What the workers of a crowd offer: the name of no service of ours, and that of calls.
SERVICES = ("growth", "calls")

#: Seconds that a task claims to have taken. So many that 64 workers would do about as many tasks as
#: a coordinator can hand out; a lease has up to a thousand.
TASK_SECONDS = 0.001

#: Tasks in one run of a report: a slot's part of a lease.
RUN_TASKS = 50

#: Leases that a worker holds before it asks for no more.
LEASES_HELD = 4

#: Seconds for connections to be taken in, where many come at once.
PATIENCE_SECONDS = 10.0

#: The value of every task: nothing, as msgpack has it.
VALUE = b"\xc0"


class IdleWorker:
    """A worker that has every outcome at once."""

    def __init__(self, manager: QueueManager) -> None:
        self._jobs, self._beats = manager.async_jobs(), manager.async_jobs()
        self._results = manager.async_results()
        self._info = WorkerInfo(
            id=secrets.token_hex(8),
            name=f"idle-{secrets.token_hex(4)}",
            host="here",
            process=0,
            slots=SLOTS,
            slots_limit="",
            start_method="none",
            version="0",
            engines=dict.fromkeys(SERVICES, "none"),
            cores=SLOTS,
            memory_limit_bytes=0,
            python="",
            engine="pool",
        )
        self._holdings = Holdings()
        self._granted: list[Lease] = []
        self._changed = asyncio.Condition()

    async def register(self) -> None:
        """Introduce it."""
        await self._jobs.call(JobQueueApi.register, self._info, ())

    async def work(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            for call in (self._lease(), self._report(), self._beat()):
                group.create_task(call)

    async def _lease(self) -> None:
        number = 0
        while True:
            number += 1
            request = LeaseRequest(
                worker=self._info.id,
                number=number,
                free_slots=SLOTS,
                wait_seconds=LEASE_WAIT_SECONDS,
                known_jobs=self._holdings.known_jobs(),
            )
            grant = await self._jobs.call(JobQueueApi.lease, request)
            self._holdings.take(grant.leases, number)
            self._granted += grant.leases
            async with self._changed:
                self._changed.notify_all()
                await self._changed.wait_for(lambda: len(self._granted) < LEASES_HELD)

    async def _report(self) -> None:
        number = 0
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._granted)
                leases, self._granted = self._granted, []
                self._changed.notify_all()
            number += 1
            runs = tuple(run for lease in leases for run in _finish(lease))
            report = Report(self._info.id, number, runs, (), (), ())
            await self._results.call(ResultQueueApi.report, report)
            for lease in leases:
                self._holdings.release(lease.id, lease.stop - lease.start)

    async def _beat(self) -> None:
        orders = 0
        while True:
            request, leases = self._holdings.snapshot()
            beat = Heartbeat(
                worker=self._info.id,
                request=request,
                leases=leases,
                busy=SLOTS,
                rss_bytes=0,
                draining=False,
                wait_seconds=LONGEST_BEAT_SECONDS,
                orders=orders,
            )
            told = await self._beats.call(JobQueueApi.heartbeat, beat)
            orders = told.number


def _finish(lease: Lease) -> list[DoneSpan]:
    """The outcomes of a lease, as the slots of a worker would have them."""
    runs: list[DoneSpan] = []
    for start in range(lease.start, lease.stop, RUN_TASKS):
        stop = min(start + RUN_TASKS, lease.stop)
        seconds = TASK_SECONDS * (stop - start)
        values = pack_batch([VALUE] * (stop - start))
        runs.append(DoneSpan(lease.id, lease.job, start, stop, values, seconds, seconds))
    return runs


async def gather(manager: QueueManager, count: int) -> None:
    """Let so many workers work for ever. The process ends with the first that fails: such a crowd
    would measure something else.
    """
    workers = [IdleWorker(manager) for _ in range(count)]
    for worker in workers:
        await worker.register()
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.work())


def main() -> None:
    address, key_file, workers = sys.argv[1:]
    manager = QueueManager(
        parse_address(address), load_key(Path(key_file)), patience_seconds=PATIENCE_SECONDS
    )
    run(gather(manager, int(workers)))


if __name__ == "__main__":
    main()
