"""What one of many tasks may cost on its way, by the numbers in ``LIMITS``.

What has to be done for each task is counted in bytecode instructions, in the slot and at the client
(see ``support.costs``); what is done for many together in pieces, calls, commits, statements and
context switches. The limits are what was counted, the largest of Python 3.11, 3.13 and 3.14, and a
fifth more. Whoever makes a path cheaper lowers its limit; whoever has to raise one says why.
"""

from __future__ import annotations

import itertools
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from headrace import Cluster
from headrace.calls import open_outcomes
from headrace.outcomes import MapResult, UnorderedIterator
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.result_queue import ResultQueue
from headrace_coordinator.settings import CoordinatorSettings
from headrace_coordinator.store.store import Store
from headrace_services.calls.values import pack_value
from headrace_services.permits import Permits
from headrace_services.service import Plan
from headrace_wire.address import Address
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.encoding import pack
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.leases import Lease, LeaseRequest
from headrace_worker.link.cell import Cell
from headrace_worker.link.channel import SlotEnd
from headrace_worker.link.messages import RunPiece
from headrace_worker.link.runners import JobRunner
from headrace_worker.pool.dispatch import Load, choose_tasks
from headrace_worker.slot import outbox
from headrace_worker.slot.slot import Slot, SlotSettings
from support.coordinators import run_coordinator
from support.cost_builders import make_opaque_batch, make_report
from support.costs import count_operations, measure_kept_bytes, measure_peak_bytes
from support.queue_builders import Rig, make_worker

#: At most so much. For each task, unless something else is said.
LIMITS: dict[str, float] = {
    # Bytecode instructions.
    "run a call in a slot": 372,
    "pack a value": 42,
    "open a batch at the client": 12.1,
    "open a value at the client": 56.5,
    # Under a lock, so that an interrupt or another consumer loses no value. From Python 3.14 on
    # that takes a method of Python's own: see headrace_wire/locks.py.
    "hand a value to imap_unordered's consumer": 81,
    "put values into map's list": 0.24,
    # Pieces, messages and calls.
    "pieces sent to slots": 0.004,
    "messages of a slot": 0.0012,
    "calls of the coordinator, derived": 0.0088,
    "calls of the coordinator, carried": 0.0102,
    # How often threads wait depends on the machine: this is five times as often as was counted, and
    # a switch for each task would be a hundred times.
    "context switches": 0.1,
    # For a report of hundreds of tasks, and for 32 reports that come together: in two to five
    # commits, as they arrive.
    "commits of a report": 1,
    "statements of a report": 6,
    "commits of reports that come together": 10,
    # Bytes of the coordinator's memory.
    "bytes of a task put alone that waits": 30,
    "bytes of a task put with others that waits": 0.06,
    "bytes of a derived task that is done": 0.1,
    # Bytes beyond a batch of 4 MiB that passes through.
    "bytes to take a report in": 4096,
    "bytes to take inputs in": 4096,
}

#: Tasks whose cost is shared out.
TASKS = 1000

#: Reports that come together.
REPORTS = 32

#: Seconds that a commit takes, so that others come together meanwhile.
SLOW_COMMIT_SECONDS = 0.05

#: Bytes of a batch that passes through.
PASSING_BYTES = 4 << 20


def check(name: str, cost: float) -> None:
    """Compare a cost with its limit."""
    assert cost <= LIMITS[name], f"{name}: {cost:.4g}, at most {LIMITS[name]:g}"


# In the slot.


class SentMessages:
    """A slot's end of its socket, of which only is known how often it was written to."""

    is_open = SlotEnd.is_open
    _look = int

    def __init__(self) -> None:
        self.count = 0

    def send(self, *messages: object, largest_bytes: int = 0) -> None:
        del largest_bytes
        self.count += 1


def test_running_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FLUSH_SECONDS", 1e9)  # the clock has no say in what is counted
    permits = Permits(allow=("*",))
    parameters = pack({"serializer": "msgpack", "function": "math:sqrt", "label": "sqrt"})
    job = JobRunner("calls", "map", parameters)
    job.prepare(load_calls, permits)
    inputs = [pack_value(index) for index in range(TASKS)]
    sent, cell = SentMessages(), Cell()
    slot = Slot(cast("SlotEnd", sent), cell, SlotSettings("none", permits=permits))
    slot._outbox.begin(RunPiece(1, 0, 1, "job", 1, 0, TASKS, None, None))
    cost = count_operations(lambda: slot.run_piece(job, 0, 1, range(TASKS), inputs))
    slot._outbox.flush()
    cell.close()
    check("run a call in a slot", cost / TASKS)
    check("messages of a slot", sent.count / TASKS)


def load_calls(name: str) -> Any:
    from headrace_services.registry import load_service  # noqa: PLC0415 - as a slot does it

    return load_service(name)


# At the client.


def test_packing_values() -> None:
    cost = count_operations(lambda: [pack_value(index) for index in range(TASKS)])
    check("pack a value", cost / TASKS)


def test_opening_values_at_the_client() -> None:
    batch = pack_batch([pack_value(index) for index in range(TASKS)])
    values: list[bytes] = []
    cost = count_operations(lambda: values.extend(unpack_batch(batch)))
    check("open a batch at the client", cost / TASKS)
    cost = count_operations(lambda: open_outcomes("msgpack", values, 0, "f"))
    check("open a value at the client", cost / TASKS)


def test_handing_values_out_at_the_client() -> None:
    outcomes = [(True, index) for index in range(TASKS)]
    taken: list[int] = []
    iterator: UnorderedIterator[int] = UnorderedIterator(taken.append)

    def consume() -> None:
        iterator.take(0, outcomes)
        iterator.expect(TASKS)
        assert sum(1 for _ in iterator) == max(taken) == TASKS

    check("hand a value to imap_unordered's consumer", count_operations(consume) / TASKS)
    result: MapResult[int] = MapResult()
    result.begin(TASKS)
    cost = count_operations(lambda: result.take(0, outcomes))
    check("put values into map's list", cost / TASKS)


# In the pool.


def test_short_tasks_are_sent_to_slots_by_many() -> None:
    waiting, pieces = 10_000, 0
    while waiting:
        waiting -= choose_tasks(1e-5, Load(), waiting, 2)
        pieces += 1
    check("pieces sent to slots", pieces / 10_000)


# In the coordinator.


class Office:
    """A coordinator, its client, and a worker's calls; what they make it do is counted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.calls = 0
        self.commits = 0
        self.statements: list[str] = []
        self.commit_seconds = 0.0
        for queue, methods in (
            (JobQueue, ("submit", "put", "seal", "lease")),
            (ResultQueue, ("report", "fetch", "collect")),
        ):
            for method in methods:
                monkeypatch.setattr(queue, method, self._count_calls(getattr(queue, method)))
        monkeypatch.setattr(Store, "write", self._count_commits(Store.write))
        key_file = folder / "key"
        settings = CoordinatorSettings(
            folder / "data", key_file, bind=Address("127.0.0.1", 0), http=None
        )
        coordinator = stack.enter_context(run_coordinator(settings))
        coordinator._ledger.store._writer.set_trace_callback(self.statements.append)
        key = load_key(key_file)
        self.cluster = stack.enter_context(Cluster(coordinator.bound, key))
        manager = QueueManager(coordinator.bound, key)
        stack.callback(manager.close)
        self.dial_results = QueueManager(coordinator.bound, key).results
        self.jobs, self.results = manager.jobs(), manager.results()
        self.jobs.register(make_worker("w", services=("growth",)), ())
        self._requests = 0

    def lease(self) -> tuple[Lease, ...]:
        self._requests += 1
        return self.jobs.lease(LeaseRequest("w", self._requests, 2, 5.0, ())).leases

    def work(self, tasks: int) -> None:
        """Be a worker until so many tasks are done."""
        number = 0
        while tasks:
            for lease in self.lease():
                count = lease.stop - lease.start
                number += 1
                values = pack_batch([b"value"] * count)
                self.results.report(make_report("w", lease, count, number, values))
                tasks -= count

    def see_through(self, plan: Plan) -> None:
        """Have a job done and fetch its values, as they come."""
        job = self.cluster.submit("growth", plan)
        with ThreadPoolExecutor(1) as executor:
            done = executor.submit(self.work, plan.tasks)
            assert sum(1 for _ in job.values(ordered=False)) == plan.tasks
            done.result()

    def _count_calls(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls += 1
            return method(*arguments)

        return call

    def _count_commits(self, write: Callable[..., None]) -> Callable[..., None]:
        def count(*arguments: Any, **options: Any) -> None:
            self.commits += 1
            threading.Event().wait(self.commit_seconds)
            write(*arguments, **options)

        return count


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with ExitStack() as stack:
        yield Office(tmp_path, monkeypatch, stack)


@pytest.mark.parametrize("kind", ["derived", "carried"])
def test_the_coordinator_is_called_for_many_tasks_at_a_time(office: Office, kind: str) -> None:
    tasks = 20_000
    inputs = itertools.repeat(b"input", tasks) if kind == "carried" else None
    office.see_through(Plan("none", {}, tasks, inputs))
    check(f"calls of the coordinator, {kind}", office.calls / tasks)


def test_threads_take_turns_for_many_tasks_at_a_time(office: Office) -> None:
    tasks = 50_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    office.see_through(Plan("none", {}, tasks))
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
    check("context switches", switches / tasks)


def test_a_report_is_one_commit_of_few_statements(office: Office) -> None:
    office.cluster.submit("growth", Plan("none", {}, 100_000))
    (first,) = office.lease()
    office.results.report(make_report("w", first, 2, 1))
    commits: list[int] = []
    statements: list[int] = []
    for number in range(2, 7):
        (lease,) = office.lease()
        tasks = lease.stop - lease.start
        assert tasks >= 400
        office.commits = 0
        office.statements.clear()
        office.results.report(make_report("w", lease, tasks, number))
        commits.append(office.commits)
        statements.append(len(office.statements))
    # The coordinator's clock may have committed something of its own meanwhile.
    check("commits of a report", min(commits))
    check("statements of a report", min(statements))


def test_reports_that_come_together_share_commits(office: Office) -> None:
    office.cluster.submit("growth", Plan("none", {}, 2 * REPORTS))
    leases = [office.lease()[0] for _ in range(REPORTS)]
    all_are_here = threading.Barrier(REPORTS)

    def report(number: int) -> int:
        results = office.dial_results()
        results.failures(leases[number].job, 0, 1)  # this thread has its connection now
        all_are_here.wait(10.0)
        return results.report(make_report("w", leases[number], 2, number + 1)).accepted

    office.commit_seconds = SLOW_COMMIT_SECONDS
    office.commits = 0
    with ThreadPoolExecutor(REPORTS) as executor:
        assert list(executor.map(report, range(REPORTS))) == [2] * REPORTS
    check("commits of reports that come together", office.commits)


# In the coordinator's memory.


def test_waiting_tasks_take_little_memory() -> None:
    def put(batches: int, tasks: int) -> float:
        rig = Rig()
        rig.submit("job", None)
        rig.put("job", 0, [bytes(8)] * tasks)  # now it has its place among those that wait

        def put_all() -> None:
            for number in range(1, batches + 1):
                rig.put("job", number * tasks, [bytes(8)] * tasks)
                rig.queue.state.drain_events()  # the store has them

        return measure_kept_bytes(put_all) / (batches * tasks)

    check("bytes of a task put alone that waits", put(5000, 1))
    check("bytes of a task put with others that waits", put(20, TASKS))


def test_tasks_that_are_done_take_no_memory() -> None:
    rig = Rig()
    rig.join()
    rig.submit("job", 1 << 40)

    def work(leases: int) -> None:
        for number in range(leases):
            (lease,) = rig.lease()
            report = make_report("w", lease, lease.held.count, number)
            rig.queue.outcomes.report(report, rig.now)
            rig.queue.state.drain_events()

    work(200)  # what has a bound, such as how often something is logged, fills
    check("bytes of a derived task that is done", measure_kept_bytes(lambda: work(1000)) / 500_000)


def test_batches_that_pass_through_are_not_copied() -> None:
    def pass_through(size: int) -> tuple[int, int]:
        rig = Rig()
        rig.join()
        rig.submit("job", 10)
        (lease,) = rig.lease()
        report = make_report("w", lease, 2, 1, make_opaque_batch(2, size))
        taken = measure_peak_bytes(lambda: rig.queue.outcomes.report(report, rig.now))
        rig.submit("inputs", None)
        inputs = make_opaque_batch(10, size)
        put = measure_peak_bytes(lambda: rig.queue.intake.put("inputs", 0, inputs, rig.now))
        return taken, put

    pass_through(0)  # what is made once for a process is no cost of a batch
    taken, put = pass_through(PASSING_BYTES)
    check("bytes to take a report in", taken)
    check("bytes to take inputs in", put)
