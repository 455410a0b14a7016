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

import os
import secrets
import sys
import traceback
from pathlib import Path

from benchmarks.systems.system import SLOTS
from headrace_wire.address import parse_address
from headrace_wire.api import JobQueueApi, ResultQueueApi
from headrace_wire.batch import pack_batch
from headrace_wire.key import load_key
from headrace_wire.loop import Answer, Loop, Run
from headrace_wire.manager import QueueManager
from headrace_wire.messages import DoneRun, Heartbeat, Lease, LeaseRequest, Report, WorkerInfo
from headrace_wire.steps import Bell
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

    def __init__(self, loop: Loop, manager: QueueManager) -> None:
        self._jobs, self._beats = manager.loop_jobs(loop), manager.loop_jobs(loop)
        self._results = manager.loop_results(loop)
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
        )
        self._holdings = Holdings()
        self._granted: list[Lease] = []
        self._room, self._work = Bell(loop), Bell(loop)

    def start(self) -> Answer[None]:
        """Introduce it, and let it work."""
        yield from self._jobs.call(JobQueueApi.register, self._info, ())
        for call in (self._lease(), self._report(), self._beat()):
            Run(call, end_process)

    def _lease(self) -> Answer[None]:
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
            grant = yield from self._jobs.call(JobQueueApi.lease, request)
            self._holdings.take(grant.leases, number)
            self._granted += grant.leases
            self._work.ring()
            while len(self._granted) >= LEASES_HELD:
                yield self._room.wait()

    def _report(self) -> Answer[None]:
        number = 0
        while True:
            while not self._granted:
                yield self._work.wait()
            leases, self._granted = self._granted, []
            self._room.ring()
            number += 1
            runs = tuple(run for lease in leases for run in _finish(lease))
            report = Report(self._info.id, number, runs, (), (), ())
            yield from self._results.call(ResultQueueApi.report, report)
            for lease in leases:
                self._holdings.release(lease.id, lease.stop - lease.start)

    def _beat(self) -> Answer[None]:
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
            told = yield from self._beats.call(JobQueueApi.heartbeat, beat)
            orders = told.number


def end_process(_: None, error: BaseException | None) -> None:
    """What becomes of a crowd of which one fails: it would measure something else."""
    traceback.print_exception(error)
    os._exit(1)


def _finish(lease: Lease) -> list[DoneRun]:
    """The outcomes of a lease, as the slots of a worker would have them."""
    runs: list[DoneRun] = []
    for start in range(lease.start, lease.stop, RUN_TASKS):
        stop = min(start + RUN_TASKS, lease.stop)
        seconds = TASK_SECONDS * (stop - start)
        values = pack_batch([VALUE] * (stop - start))
        runs.append(DoneRun(lease.id, lease.job, start, stop, values, seconds, seconds))
    return runs


def gather(loop: Loop, manager: QueueManager, workers: int) -> Answer[None]:
    """Start so many workers, and let them work for ever."""
    for _ in range(workers):
        yield from IdleWorker(loop, manager).start()
    yield Bell(loop).wait()


def main() -> None:
    address, key_file, workers = sys.argv[1:]
    loop = Loop("crowd")
    manager = QueueManager(
        parse_address(address), load_key(Path(key_file)), patience_seconds=PATIENCE_SECONDS
    )
    loop.run(gather(loop, manager, int(workers)))


if __name__ == "__main__":
    main()
