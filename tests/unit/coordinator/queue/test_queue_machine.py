"""The queue under everything that can happen in any order, with a restart at any step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store.removals import LONGEST_SECONDS
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.errors import HeadraceError, SpoolFullError
from headrace_wire.messages.failures import Reason
from headrace_wire.messages.jobs import FAILED, FINAL_STATES, SUCCEEDED
from headrace_wire.messages.logs import JobLines, LogLine
from headrace_wire.messages.spans import Span
from support.queue_builders import Rig, claim, make_worker
from support.queue_invariants import check_invariants

WORKERS = ("a", "b", "c")
REASONS: tuple[Reason, ...] = ("error", "timeout", "crash", "oom", "refused")

#: What clients ask for of jobs that are there.
REQUESTS = ("cancel", "retry", "replay", "acknowledge", "delete")

#: Short times and a small spool, so that all of it happens.
RULES = Rules(lease_seconds=15.0, result_ttl_seconds=400.0, spool_limit_bytes=120)


def describe_lasting(job: Job) -> tuple[object, ...]:
    """What of a job a restart must not change."""
    told = (job.counters, job.log.lines, job.log.size_bytes, job.log.dropped)
    ends = (job.started_at, job.ended, job.paused_seconds, job.deadline, job.ended_because)
    return (job.state, job.done, job.dead, job.tasks, job.sealed, *ends, *told)


def describe_kept(job: Job) -> tuple[object, ...]:
    """What of a job is there again if the coordinator dies soon after it was delivered."""
    return (job.dropped, job.spool_bytes, job.result_bytes)


class QueueMachine(RuleBasedStateMachine):
    """Clients, workers, time and restarts against one queue and its store.

    ``model`` keeps, by job, the values that were accepted: an accepted outcome never changes and is
    never missing from the store. ``counted`` keeps the tasks that counted one for themselves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(self.folder / "store")
        self.rig = Rig(RULES)
        self.held: list[HeldLease] = []
        self.model: dict[str, dict[int, bytes]] = {}
        self.counted: dict[str, int] = {}
        self.jobs = 0

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def commit(self) -> None:
        state = self.rig.queue.state
        self.store.write(state.drain_events(), state.jobs, self.rig.seconds)

    @initialize()
    def begin(self) -> None:
        self.rig.join("a")

    @rule(
        tasks=st.integers(0, 40),
        retries=st.none() | st.integers(0, 2),
        level=st.integers(0, 1),
        deadline=st.none() | st.just(30.0),
    )
    def submit(self, tasks: int, retries: int | None, level: int, deadline: float | None) -> None:
        self.jobs += 1
        job = f"j{self.jobs}"
        fields = {"retries": retries, "priority": level, "deadline_seconds": deadline}
        try:
            self.rig.submit(job, tasks, **fields)
        except SpoolFullError:
            assert self.spool_is_full()
            return
        self.model[job] = {}
        self.commit()

    @rule(count=st.integers(1, 5), seal=st.booleans(), owned=st.booleans())
    def submit_carried(self, count: int, seal: bool, owned: bool) -> None:
        self.jobs += 1
        job = f"j{self.jobs}"
        if self.spool_is_full():
            return
        self.rig.submit(job, None, owned=owned)
        self.model[job] = {}
        self.rig.put(job, 0, [str(index).encode() for index in range(count)])
        if seal:
            self.rig.queue.intake.seal(job, count, self.rig.now)
        self.commit()

    @rule(worker=st.sampled_from(WORKERS))
    def join(self, worker: str) -> None:
        self.rig.join(worker)

    @rule(worker=st.sampled_from(WORKERS), data=st.data())
    def come_back(self, worker: str, data: st.DataObject) -> None:
        """Register with any of the leases ever granted: those that still wait are adopted."""
        mine = [lease for lease in self.held if lease.worker == worker]
        named = data.draw(st.lists(st.sampled_from(mine), unique_by=id)) if mine else []
        runs = tuple(claim(lease) for lease in named)
        self.rig.queue.leasing.register(make_worker(worker), runs, self.rig.now)
        self.commit()

    @rule(worker=st.sampled_from(WORKERS), slots=st.integers(1, 4), repeat=st.booleans())
    def lease(self, worker: str, slots: int, repeat: bool) -> None:
        if worker in self.rig.queue.state.members:
            repeat = repeat and worker in self.rig.requests
            for lease in self.rig.lease(worker, slots, repeat=repeat):
                if lease not in self.held:
                    self.held.append(lease)
        self.commit()

    @precondition(lambda self: self.held)
    @rule(data=st.data(), counts=st.booleans())
    def finish(self, data: st.DataObject, counts: bool) -> None:
        """Report any part of any lease ever granted, be it still held or long taken back."""
        lease = data.draw(st.sampled_from(self.held))
        start = data.draw(st.integers(lease.start, lease.stop - 1))
        stop = data.draw(st.integers(start + 1, lease.stop))
        job = self.rig.queue.state.jobs.get(lease.job)
        open_before = job is not None and not job.is_final
        counters = {"tasks": float(stop - start)} if counts else None
        receipt = self.rig.finish(lease, start, stop, counters=counters)
        if counts:
            assert receipt.accepted in {0, stop - start}, "whole or not at all"
            self.counted[lease.job] = self.counted.get(lease.job, 0) + receipt.accepted
        assert receipt.accepted + receipt.dropped == stop - start
        self.commit()
        if open_before and job is not None:
            accepted = 0
            for index in range(start, stop):
                if index in job.done and index not in self.model[lease.job]:
                    self.model[lease.job][index] = str(index).encode()
                    accepted += 1
            assert receipt.accepted == accepted
        else:
            assert receipt.accepted == 0

    @precondition(lambda self: self.held)
    @rule(data=st.data(), reason=st.sampled_from(REASONS))
    def fail(self, data: st.DataObject, reason: Reason) -> None:
        lease = data.draw(st.sampled_from(self.held))
        self.rig.fail(lease, data.draw(st.integers(lease.start, lease.stop - 1)), reason)
        self.commit()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def hand_back(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.held))
        self.rig.queue.leasing.hand_back(lease.id, lease.start, lease.stop, self.rig.now)
        self.commit()

    @rule(worker=st.sampled_from(WORKERS), data=st.data())
    def beat(self, worker: str, data: st.DataObject) -> None:
        mine = [lease.id for lease in self.held if lease.worker == worker]
        named = data.draw(st.lists(st.sampled_from(mine), unique=True)) if mine else []
        self.rig.beat(worker, tuple(named))
        self.commit()

    @precondition(lambda self: self.model)
    @rule(worker=st.sampled_from(WORKERS), data=st.data(), size=st.sampled_from([1, 2 << 20]))
    def log(self, worker: str, data: st.DataObject, size: int) -> None:
        job = data.draw(st.sampled_from(sorted(self.model)))
        line = LogLine(1.0, "info", worker, 0, "x" * size)
        self.rig.report(worker, logs=(JobLines(job, (line, line)),))
        self.commit()

    @rule(worker=st.sampled_from(WORKERS))
    def leave(self, worker: str) -> None:
        self.rig.queue.leasing.leave(worker, self.rig.now)
        self.commit()

    @rule(seconds=st.sampled_from([0.1, 1.0, 16.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.rig.seconds += seconds
        self.rig.queue.tick(self.rig.now)
        self.commit()

    @precondition(lambda self: self.model)
    @rule(data=st.data(), what=st.sampled_from(REQUESTS))
    def ask(self, data: st.DataObject, what: str) -> None:
        job = data.draw(st.sampled_from(sorted(self.model)))
        intake = self.rig.queue.intake
        try:
            if what == "cancel":
                intake.cancel(job, self.rig.now)
            elif what == "retry":
                self.rig.retry(job)
            elif what == "replay":
                dead = sorted(self.rig.queue.state.find(job).dead)
                chosen = data.draw(st.lists(st.sampled_from(dead))) if dead else []
                self.rig.replay(job, [start for start, _ in chosen])
            elif what == "acknowledge":
                intake.acknowledge(job)
            else:
                intake.delete(job)
        except HeadraceError:
            pass  # refused, and then nothing has changed: the invariants see to that
        self.commit()

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """The client of an owned job says which runs it has; some of it makes no sense."""
        job = self.rig.queue.state.jobs.get(data.draw(st.sampled_from(sorted(self.model))))
        if job is None:
            return
        spans = [Span(start, stop) for start, (stop, _) in job.undelivered.items()]
        chosen = data.draw(st.lists(st.sampled_from([*spans, Span(0, 1), Span(2, 9)])))
        self.rig.queue.intake.deliver(job.spec.id, chosen, self.rig.now)
        self.commit()

    @rule(settled=st.booleans())
    def restart(self, settled: bool) -> None:
        """Kill the coordinator: a new queue from what the store has.

        Rows of delivered values wait a second for a commit that removes them: ``settled`` gives
        them that time.
        """
        if settled:
            self.wait(2 * LONGEST_SECONDS)
        old_jobs = self.rig.queue.state.jobs
        self.store.close()
        self.store = Store(self.folder / "store")
        old = self.rig.queue
        self.rig.queue = Queue(RULES, old.state.next_lease, self.rig.proofs)
        for job, attempted in self.store.load():
            self.rig.queue.restore(job, attempted, self.rig.now)
        assert self.rig.queue.state.jobs.keys() == old_jobs.keys()
        for job_id, job in self.rig.queue.state.jobs.items():
            old_job = old_jobs[job_id]
            assert describe_lasting(job) == describe_lasting(old_job)
            if settled or job.dropped == old_job.dropped:
                assert describe_kept(job) == describe_kept(old_job)
            else:
                assert all(old_job.dropped.covers(start, stop) for start, stop in job.dropped)
        assert self.store.load_clock() <= self.rig.seconds
        self.commit()

    def spool_is_full(self) -> bool:
        assert RULES.spool_limit_bytes is not None
        return self.rig.queue.state.spool_bytes >= RULES.spool_limit_bytes

    @invariant()
    def everything_is_in_its_place(self) -> None:
        check_invariants(self.rig.queue.state)

    @invariant()
    def what_was_accepted_is_in_the_store(self) -> None:
        jobs = self.rig.queue.state.jobs
        for job_id in list(self.model):
            if job_id not in jobs:
                del self.model[job_id]
                continue
            job = jobs[job_id]
            assert job.counters.get("tasks", 0) == self.counted.get(job_id, 0)
            assert job.done.count >= len(self.model[job_id])
            if job.results_kept:
                runs, _ = self.store.reader.read_results_after(job_id, 0, 1 << 30)
                stored = [
                    (index, value)
                    for run in runs
                    for index, value in enumerate(unpack_batch(run.values), run.start)
                ]
                assert len(stored) == len(dict(stored)), "a result is stored twice"
                kept = [index for index, _ in stored if index not in job.dropped]
                assert len(kept) + job.dropped.count == job.done.count

    @invariant()
    def final_jobs_have_nothing_left_to_do(self) -> None:
        for job in self.rig.queue.state.jobs.values():
            if job.state in FINAL_STATES:
                assert not job.waiting
                assert not job.leases
            if job.state == SUCCEEDED:
                assert not job.dead
            if job.state == FAILED:
                assert job.dead or job.ended_because


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_inputs_of_a_cut_lease_are_read_back_whole(tmp_path: Path) -> None:
    rig = Rig()
    store = Store(tmp_path / "store")
    rig.join()
    rig.submit(tasks=None)
    items = [str(index).encode() for index in range(10)]
    rig.put("job", 0, items[:4])
    rig.put("job", 4, items[4:])
    store.write(rig.queue.state.drain_events(), rig.queue.state.jobs, 0.0)
    batches = store.reader.read_inputs("job", 2, 9)
    assert batches is not None
    assert [item for batch in batches for item in unpack_batch(batch)] == items[2:9]
    assert store.reader.read_inputs("job", 2, 11) is None
    assert store.reader.read_inputs("job", 0, 4) == (pack_batch(items[:4]),)
    store.close()


def test_what_was_just_delivered_may_be_there_again_after_a_kill() -> None:
    """Its row waits for a later commit: the client does not ask for it, and says so again."""
    machine = QueueMachine()
    machine.begin()
    machine.submit_carried(count=1, owned=True, seal=False)
    (lease,) = machine.rig.lease("a", 1)
    machine.rig.finish(lease, 0, 1)
    machine.rig.queue.intake.deliver("j1", [Span(0, 1)], machine.rig.now)
    machine.commit()
    machine.restart(settled=False)
    machine.what_was_accepted_is_in_the_store()
    job = machine.rig.queue.state.jobs["j1"]
    assert (list(job.undelivered), job.dropped.count) == ([0], 0)
    machine.rig.queue.intake.deliver("j1", [Span(0, 1)], machine.rig.now)
    machine.commit()
    machine.restart(settled=True)
    assert list(machine.rig.queue.state.jobs["j1"].dropped) == [(0, 1)]
    machine.teardown()
