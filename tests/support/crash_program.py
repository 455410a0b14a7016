"""The program that crash points cut off: ``STORE ACKNOWLEDGEMENTS DURABILITY run|reopen``.

    a call to the real ledger ─► its commit ─► a line of JSON to ACKNOWLEDGEMENTS ─► the next call

It does all that a store can be asked to do, one call after the other, always in the same way: two
runs make the same system calls in the same order. A line is a list of facts, those of one commit;
``crash_model`` says what they mean. To ``reopen`` is to recover what a crash left, and no more.
Started by ``crash_points``, and ends by itself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.lease_proofs import LeaseProofs
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store import need, removals, store
from headrace_coordinator.store.store import Durability, Store
from headrace_wire.batch import pack_batch
from headrace_wire.messages.failures import CRASH, ERROR, Reason, TaskFailure
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Receipt, Report
from support.queue_builders import claim, make_spec, make_worker

#: Pages in the write-ahead log that bring about a checkpoint: few, so that a short run has many.
CHECKPOINT_PAGES = 48

#: Batches of so many bytes lie in the payload file: some of those here, and not others.
PAYLOAD_BYTES = 8192

#: Rows that nobody asks for any more, which go together.
REMOVED_ROWS = 4

#: What a task is charged, in CPU seconds: sums of it are exact.
TASK_SECONDS = 0.5

#: Tasks whose first attempts fail, and how. An error is final, a crash is tried again.
FAILING: dict[tuple[str, int], list[Reason]] = {
    ("primes", 2): [ERROR],
    ("primes", 4): [CRASH],
    ("pictures", 1): [ERROR],
    ("fragile", 1): [CRASH],
    ("replayed", 0): [CRASH, ERROR],
    ("broken", 0): [ERROR],
    ("broken", 2): [ERROR],
}

WORKER = "worker"

#: What has become true: its name under "fact", and its arguments.
Fact = dict[str, Any]


def make_input(job: str, index: int) -> bytes:
    return f"input of {job} {index} ".encode() * (300 - 40 * (index % 3))


def make_value(job: str, index: int) -> bytes:
    size = 400 if job == "bulk" else 60
    return f"value of {job} {index} ".encode() * (size - 10 * (index % 3))


class Program:
    """The calls, and the lines that acknowledge them."""

    def __init__(self, path: Path, acknowledgements: int, durability: Durability) -> None:
        self.path = path
        self.acknowledgements = acknowledgements
        self.durability = durability
        self.requests = self.reports = 0
        self.failing = {task: list(reasons) for task, reasons in FAILING.items()}
        self.open()

    def open(self, held: Sequence[HeldLease] = ()) -> None:
        self.store = Store(self.path, durability=self.durability)
        self.store._writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self.ledger = Ledger(self.store, Rules(), lambda _: None, LeaseProofs(b"secret"))
        self.join(held)

    def join(self, held: Sequence[HeldLease] = ()) -> None:
        """Let the worker introduce itself, with what it holds from before."""
        runs = [claim(lease) for lease in held]
        self.ledger.observe(
            lambda queue, now: queue.leasing.register(make_worker(WORKER), runs, now)
        )

    def reopen(self, held: Sequence[HeldLease]) -> None:
        self.store.close()
        self.open(held)

    def acknowledge(self, *facts: Fact) -> None:
        os.write(self.acknowledgements, json.dumps(facts).encode() + b"\n")

    def submit(self, job: str, tasks: int) -> None:
        self.ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec(job, tasks), now))
        self.acknowledge({"fact": "submitted", "job": job, "tasks": tasks})

    def open_job(self, job: str) -> None:
        self.ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec(job, None), now))
        self.acknowledge({"fact": "submitted", "job": job, "tasks": None})

    def put(self, job: str, start: int, stop: int) -> None:
        batch = pack_batch([make_input(job, index) for index in range(start, stop)])
        self.ledger.commit_now(lambda queue, now: queue.intake.put(job, start, batch, now))
        self.acknowledge({"fact": "put", "job": job, "start": start, "stop": stop})

    def seal(self, job: str, tasks: int) -> None:
        self.ledger.commit_now(lambda queue, now: queue.intake.seal(job, tasks, now))
        self.acknowledge({"fact": "sealed", "job": job})

    def submit_whole(self, job: str, tasks: int) -> None:
        """Three calls that come together and share a commit."""
        batch = pack_batch([make_input(job, index) for index in range(tasks)])

        def submit_all(queue: Queue, now: Now) -> None:
            queue.intake.submit(make_spec(job, None), now)
            queue.intake.put(job, 0, batch, now)
            queue.intake.seal(job, tasks, now)

        self.ledger.commit_now(submit_all)
        self.acknowledge(
            {"fact": "submitted", "job": job, "tasks": None},
            {"fact": "put", "job": job, "start": 0, "stop": tasks},
            {"fact": "sealed", "job": job},
        )

    def cancel(self, job: str) -> None:
        self.ledger.commit_now(lambda queue, now: queue.intake.cancel(job, now))
        self.acknowledge({"fact": "cancelled", "job": job})

    def retry(self, job: str) -> None:
        self.ledger.commit_now(lambda queue, now: queue.revival.retry(job, 0, now))
        self.acknowledge({"fact": "retried", "job": job})

    def replay(self, job: str, index: int) -> None:
        chosen = RangeSet([(index, index + 1)])
        self.ledger.commit_now(lambda queue, now: queue.revival.replay(job, chosen, 0, now))
        self.acknowledge({"fact": "replayed", "job": job, "index": index})

    def lose(self, leases: list[HeldLease]) -> None:
        """Let so much time pass that the worker is given up, with all that it holds."""

        def expire(queue: Queue, now: Now) -> None:
            queue.leasing.expire(Now(now.monotonic + 3600.0, now.at))

        self.ledger.commit_now(expire)
        self.acknowledge(
            *(
                {"fact": "lost", "job": lease.job, "start": lease.start, "stop": lease.stop}
                for lease in leases
            )
        )
        self.join()

    def drop_results(self, job: str) -> None:
        self.ledger.commit_now(lambda queue, _: queue.intake.acknowledge(job))
        self.acknowledge({"fact": "results dropped", "job": job})

    def delete(self, job: str) -> None:
        self.ledger.commit_now(lambda queue, _: queue.intake.delete(job))
        self.acknowledge({"fact": "deleted", "job": job})

    def lease(self, slots: int = 2) -> list[HeldLease]:
        """Hold some tasks. Nothing of that is safe, so nothing is acknowledged."""
        self.requests += 1
        request = LeaseRequest(WORKER, self.requests, slots, 0.0, ())
        leases: list[HeldLease] = self.ledger.observe(
            lambda queue, now: queue.leasing.lease(request, now)
        )
        return leases

    def report(self, leases: list[HeldLease]) -> None:
        """Report every task of these leases in one report."""
        done: list[DoneSpan] = []
        failures: list[TaskFailure] = []
        for lease in leases:
            start = lease.start
            for index in range(lease.start, lease.stop):
                if reasons := self.failing.get((lease.job, index)):
                    failures.append(_make_failure(lease, index, reasons.pop(0)))
                    done += _make_runs(lease, start, index)
                    start = index + 1
            done += _make_runs(lease, start, lease.stop)
        self.reports += 1
        report = Report(WORKER, self.reports, tuple(done), tuple(failures), (), ())
        receipt: Receipt = self.ledger.commit_now(
            lambda queue, now: queue.outcomes.report(report, now)
        )
        assert not receipt.dropped, "the model knows of no outcome that came too late"
        self.acknowledge(
            *(
                {"fact": "done", "job": run.job, "start": run.start, "stop": run.stop}
                for run in done
            ),
            *(
                {"fact": "failed", "job": it.job, "index": it.index, "reason": it.reason}
                for it in failures
            ),
        )

    def work(self, slots: int = 2) -> None:
        """Lease and report until nothing waits."""
        while leases := self.lease(slots):
            self.report(leases)

    def run(self) -> None:
        self.submit("primes", 6)
        self.open_job("pictures")
        self.put("pictures", 0, 3)
        self.put("pictures", 3, 5)
        self.seal("pictures", 5)
        self.work(slots=3)
        self.drop_results("pictures")
        self.retry("pictures")
        self.retry("primes")
        self.work()
        self.submit("fragile", 4)
        self.lose(self.lease())
        self.report(self.lease(slots=1))
        self.submit_whole("whole", 4)
        held = self.lease()
        self.reopen(held)
        self.report(held)
        self.submit("stopped", 8)
        self.report(self.lease())
        self.cancel("stopped")
        self.delete("primes")
        self.submit("broken", 3)
        self.work()
        self.replay("broken", 0)
        self.work()
        self.delete("broken")
        self.submit("replayed", 6)
        self.report(self.lease(slots=1))
        self.report(self.lease(slots=1))
        self.replay("replayed", 0)  # while others of its tasks have not been done
        self.work()
        self.submit("bulk", 12)
        self.work(slots=4)
        self.drop_results("bulk")
        self.submit("empty", 0)
        self.delete("bulk")
        self.open_job("open")
        self.put("open", 0, 2)
        self.delete("pictures")


def _make_runs(lease: HeldLease, start: int, stop: int) -> list[DoneSpan]:
    if start == stop:
        return []
    values = pack_batch([make_value(lease.job, index) for index in range(start, stop)])
    seconds = TASK_SECONDS * (stop - start)
    return [DoneSpan(lease.id, lease.job, start, stop, values, seconds, seconds)]


def _make_failure(lease: HeldLease, index: int, reason: Reason) -> TaskFailure:
    return TaskFailure(
        lease=lease.id,
        job=lease.job,
        index=index,
        attempt=lease.attempt,
        reason=reason,
        signal="",
        error_type="ValueError",
        message=f"task {index} cannot be done",
        traceback="",
        summary="",
        worker=WORKER,
        cpu_seconds=TASK_SECONDS,
        busy_seconds=TASK_SECONDS,
    )


if __name__ == "__main__":
    need.LARGE_BYTES = PAYLOAD_BYTES
    # Nothing happens after some time: two runs do the same, however long they take.
    store.CLOCK_SECONDS = removals.LONGEST_SECONDS = 3600.0
    removals.MOST_ROWS = REMOVED_ROWS
    descriptor = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    program = Program(
        Path(sys.argv[1]), descriptor, "power" if sys.argv[3] == "power" else "process"
    )
    if sys.argv[4] == "run":
        program.run()
    program.store.close()
