"""The ledger: nothing is acknowledged before its commit, and memory is never ahead of the disk."""

from __future__ import annotations

import asyncio
import resource
import secrets
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import Event, JobSubmitted
from headrace_coordinator.queue.job import HeldLease
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store import payload_file, space
from headrace_coordinator.store.disk import Disk
from headrace_coordinator.store.need import LARGE_BYTES, RELIEF
from headrace_coordinator.store.store import Durability, Store
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError, StoreError, UnknownJobError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import SUCCEEDED
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report
from support.queue_builders import claim, make_spec, make_worker
from support.queue_invariants import check_invariants


class Rig:
    """A ledger over a store whose disk can be made full."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store"
        self.store = Store(self.path)
        self.commits = 0
        self.ledger = Ledger(self.store, Rules(), self.count_commit)

    def count_commit(self, seconds: float) -> None:
        assert seconds >= 0
        self.commits += 1

    def submit(self, job: str, tasks: int | None = 3) -> None:
        self.ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec(job, tasks), now))

    def put(self, job: str, start: int, data: bytes) -> None:
        self.ledger.commit_now(
            lambda queue, now: queue.intake.put(job, start, pack_batch([data]), now)
        )

    def take_report(self, report: Report) -> None:
        self.ledger.commit_now(lambda queue, now: queue.outcomes.report(report, now))

    def list_jobs(self) -> list[str]:
        def look(queue: Queue, _: Now) -> list[str]:
            check_invariants(queue.state)
            return list(queue.state.jobs)

        jobs: list[str] = self.ledger.observe(look)
        return jobs

    def list_stored(self) -> list[str]:
        """What another process would find in the file."""
        with sqlite3.connect(self.path) as reader:
            rows = reader.execute("SELECT id FROM jobs ORDER BY rowid").fetchall()
        reader.close()
        return [row[0] for row in rows]

    def fill_disk(self) -> None:
        (pages,) = self.store._writer.execute("PRAGMA page_count").fetchone()
        self.store._writer.execute(f"PRAGMA max_page_count = {pages}")

    def make_room(self) -> None:
        self.store._writer.execute("PRAGMA max_page_count = 1000000")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.store.close()


def test_what_is_acknowledged_is_in_the_file(rig: Rig) -> None:
    rig.submit("a")
    assert rig.list_stored() == ["a"]


def test_calls_that_come_together_share_a_commit(rig: Rig) -> None:
    async def submit(job: str) -> None:
        await rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec(job), now))

    async def submit_all() -> None:
        await asyncio.gather(*[submit(f"j{number}") for number in range(9)])

    asyncio.run(submit_all())
    assert rig.commits == 1
    assert len(rig.list_stored()) == 9


def test_what_nobody_waits_for_any_more_is_committed_all_the_same(rig: Rig) -> None:
    async def submit_and_go() -> None:
        call = rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec("a"), now))
        task = asyncio.create_task(call)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec("b"), now))

    asyncio.run(submit_and_go())
    assert rig.list_stored() == ["a", "b"]


def test_one_that_cannot_wait_takes_those_along_that_do(rig: Rig) -> None:
    async def submit_both() -> None:
        call = rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec("a"), now))
        task = asyncio.create_task(call)
        await asyncio.sleep(0)
        rig.submit("b")
        assert rig.list_stored() == ["a", "b"]
        await task

    asyncio.run(submit_both())
    assert rig.commits == 1


def test_an_error_of_one_call_is_its_own(rig: Rig) -> None:
    with pytest.raises(UnknownJobError):
        rig.ledger.commit_now(lambda queue, now: queue.intake.cancel("nonesuch", now))
    rig.submit("a")
    assert rig.list_stored() == ["a"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (OSError(5, "Input/output error"), r"cannot be written \(.*Input/output error"),
        (RuntimeError("a mistake"), "its log says why"),
    ],
)
def test_a_call_is_answered_even_if_its_room_cannot_be_measured(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, fault: Exception, told: str
) -> None:
    def fail(_: object) -> None:
        raise fault

    async def submit() -> None:
        async with asyncio.timeout(60):
            await rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec("a"), now))

    with monkeypatch.context() as broken:
        broken.setattr(rig.store.space, "find_shortage", fail)
        with pytest.raises(HeadraceError, match=told):
            asyncio.run(submit())
    rig.submit("b")
    assert rig.list_stored() == ["b"]


def test_a_disk_that_cannot_be_measured_is_a_problem_until_it_can(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Disk, "measure_free", fail)
        rig.ledger.mend()
        assert "Input/output error" in rig.ledger.problem
        rig.ledger.commit_now(lambda queue, now: queue.tick(now), RELIEF)
    rig.ledger.mend()
    assert not rig.ledger.problem


def test_a_full_disk_refuses_clearly_and_forgets_what_was_not_acknowledged(rig: Rig) -> None:
    rig.submit("a", None)
    rig.fill_disk()
    with pytest.raises(StoreError, match=r"cannot be written .*make room"):
        rig.put("a", 0, bytes(LARGE_BYTES - 100))
    assert rig.ledger.problem
    assert rig.list_jobs() == rig.list_stored() == ["a"]
    rig.ledger.mend()
    assert rig.ledger.problem, "there is still no room"


def test_when_there_is_room_again_it_goes_on(rig: Rig) -> None:
    rig.submit("a", None)
    rig.fill_disk()
    with pytest.raises(StoreError):
        rig.put("a", 0, bytes(LARGE_BYTES - 100))
    rig.make_room()
    rig.ledger.mend()
    assert rig.ledger.problem == ""
    rig.put("a", 0, bytes(1 << 20))
    assert rig.store.reader.read_inputs("a", 0, 1) == (pack_batch([bytes(1 << 20)]),)


def test_a_payload_for_which_the_disk_has_no_room_is_refused_clearly(rig: Rig) -> None:
    rig.submit("a", None)
    rig.put("a", 0, b"first" * LARGE_BYTES)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot be written .*make room"):
            rig.put("a", 1, bytes(4 << 20))
        rig.ledger.mend()
        assert rig.ledger.problem == "", "there is room for what is smaller"
        assert rig.store.reader.read_inputs("a", 0, 1) == (pack_batch([b"first" * LARGE_BYTES]),)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    rig.put("a", 1, bytes(4 << 20))
    assert rig.store.reader.read_inputs("a", 1, 2) == (pack_batch([bytes(4 << 20)]),)


def test_a_transition_that_breaks_half_way_leaves_nothing(rig: Rig) -> None:
    def break_down(queue: Queue, now: Now) -> None:
        queue.intake.submit(make_spec("half"), now)
        raise ZeroDivisionError

    rig.submit("a")
    with pytest.raises(Exception, match="its log says why"):
        rig.ledger.commit_now(break_down)
    assert rig.list_jobs() == rig.list_stored() == ["a"]


def test_listeners_hear_of_events_after_the_commit(rig: Rig) -> None:
    heard: list[Event] = []

    def listen(events: object) -> None:
        assert rig.list_stored() == ["a"], "told too early"
        heard.extend(events)  # type: ignore[arg-type] # a sequence of events

    rig.ledger.listen(listen)
    rig.submit("a")
    assert any(isinstance(event, JobSubmitted) for event in heard)


def test_a_damaged_store_is_reported_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = Store(path)
    store.close()
    damaged = path.read_bytes()[:4096] + b"\xff" * 8192
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"damaged|malformed|cannot be opened"):
        Store(path)
    assert path.read_bytes() == damaged


def test_a_store_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store"
    Store(path).close()
    with sqlite3.connect(path) as writer:
        writer.execute("PRAGMA user_version = 99")
    writer.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store(path)


def reopen(rig: Rig) -> Rig:
    """Kill the coordinator and start another on the same folder."""
    rig.store.close()
    return Rig(rig.path.parent)


def take_lease(rig: Rig, worker: str) -> HeldLease:
    def take(queue: Queue, now: Now) -> HeldLease:
        queue.leasing.register(make_worker(worker), (), now)
        number = secrets.randbits(30) + 1
        (lease,) = queue.leasing.lease(LeaseRequest(worker, number, 1, 0.0, ()), now)
        return lease

    lease: HeldLease = rig.ledger.observe(take)
    return lease


def test_when_a_commit_has_failed_workers_still_have_their_leases(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is made anew from the store, and has forgotten them."""
    rig.submit("a", 1)
    lease = take_lease(rig, "w")

    def fail(*arguments: object, **named: object) -> None:
        raise KeyError("a fault of our own")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "write", fail)
        with pytest.raises(HeadraceError, match="its log says why"):
            rig.submit("b")
    run = DoneSpan(lease.id, "a", 0, 1, pack_batch([b"value"]), 0.1, 0.1)
    rig.take_report(Report("w", 1, (run,), (), (), ()))
    assert not rig.ledger.observe(lambda queue, _: queue.state.find("a").done)
    rig.take_report(Report("w", 2, (run,), (), (), (), held=(claim(lease),)))
    assert rig.ledger.observe(lambda queue, _: queue.state.find("a").state) == SUCCEEDED


def test_attempts_are_counted_across_restarts(rig: Rig) -> None:
    rig.ledger.commit_now(
        lambda queue, now: queue.intake.submit(
            make_spec("a", 1, retries=5, retry_delay_seconds=0.0), now
        )
    )
    for attempt in (1, 2, 3):
        lease = take_lease(rig, f"w{attempt}")
        assert lease.attempt == attempt
        failure = TaskFailure(
            lease.id, "a", 0, attempt, "error", "", "ValueError", "no", "", "", "w", 0.0, 0.0
        )  # fmt: skip
        report = Report(lease.worker, 1, (), (failure,), (), ())
        rig.take_report(report)
        rig = reopen(rig)
    rig.store.close()


def test_a_deadline_goes_on_across_a_restart_and_a_jump_of_the_wall_clock(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec("a", 1, deadline_seconds=1000.0)
    rig.ledger.commit_now(lambda queue, now: queue.intake.submit(spec, now))
    submitted = rig.ledger.now().monotonic
    wall = time.time()
    for jump in (3600.0, -3600.0):
        monkeypatch.setattr(time, "time", partial(float, wall + jump))
        rig = reopen(rig)
        rig.ledger.commit_now(lambda queue, now: queue.tick(now))
        assert abs(rig.ledger.now().monotonic - submitted) < 60.0
        deadline = rig.ledger.observe(lambda queue, _: queue.state.find("a").deadline)
        assert deadline == pytest.approx(submitted + 1000.0, abs=5.0)
    rig.store.close()


def test_a_worker_that_could_not_be_heard_was_not_silent(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator is stopped for an hour, and the ticker looks before any worker is heard."""
    rig.submit("a", 1)
    take_lease(rig, "w")
    stopped = time.monotonic() + 3600.0
    monkeypatch.setattr(time, "monotonic", lambda: stopped)
    rig.ledger.commit_now(lambda queue, now: queue.tick(now))
    assert rig.ledger.observe(lambda queue, _: list(queue.state.members)) == ["w"]


def test_a_fault_in_a_commit_is_told_to_every_call_of_its_group(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.submit("a")

    def fail(*arguments: object) -> None:
        raise KeyError("a fault of our own")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "write", fail)
        with pytest.raises(HeadraceError, match="its log says why"):
            rig.submit("b")
    assert rig.list_jobs() == rig.list_stored() == ["a"]


def test_while_the_store_cannot_be_written_work_is_refused_and_looks_are_not(rig: Rig) -> None:
    rig.submit("a", None)
    rig.fill_disk()
    for _ in range(2):
        with pytest.raises(StoreError, match="make room"):
            rig.put("a", 0, bytes(LARGE_BYTES - 100))
    assert rig.list_jobs() == ["a"]


def test_a_store_that_is_damaged_while_it_is_used_is_told_and_never_written_over(
    rig: Rig,
) -> None:
    rig.submit("a")
    rig.store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rig.store._writer.execute("PRAGMA writable_schema = ON")
    rig.store._writer.execute("UPDATE jobs SET dropped = x'c1'")

    def break_down(queue: Queue, now: Now) -> None:
        raise ZeroDivisionError

    with pytest.raises(HeadraceError):
        rig.ledger.commit_now(break_down)  # the queue is to be made anew, and cannot be
    assert "damaged" in rig.ledger.problem
    with pytest.raises(StoreError, match="damaged"):
        rig.submit("b")
    with pytest.raises(StoreError, match="damaged"):
        rig.ledger.observe(lambda queue, _: queue.state.find("a"))
    rig.ledger.mend()
    assert "damaged" in rig.ledger.problem
    assert rig.list_stored() == ["a"]


@pytest.mark.parametrize(("durability", "word"), [("process", 1), ("power", 2)])
def test_durability_sets_what_a_commit_waits_for(
    tmp_path: Path, durability: Durability, word: int
) -> None:
    store = Store(tmp_path / "store", durability)
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (word,)
    store.close()


def test_the_disk_gets_back_what_deleted_jobs_took(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "FREE_BYTES", 4 << 20)
    monkeypatch.setattr(payload_file, "SPARE_BYTES", 0)
    rig.submit("kept")
    rig.submit("a", None)
    for start in range(0, 800, 2):
        rig.put("a", start, bytes(12 << 10))
        rig.put("a", start + 1, bytes(24 << 10))
    rig.ledger.compact()
    assert rig.store.space.measure_bytes() > 8 << 20
    rig.ledger.commit_now(lambda queue, _: queue.intake.delete("a"))
    rig.ledger.compact()
    assert rig.store.space.measure_bytes() < 1 << 20
    assert rig.list_stored() == rig.list_jobs() == ["kept"]


def test_calls_on_one_job_that_share_a_commit_are_all_in_it(rig: Rig) -> None:
    """Dropping a job's results and deleting it once failed together, and took others with them."""
    rig.submit("old", 0)

    def both(queue: Queue, now: Now) -> None:
        queue.intake.acknowledge("old")
        queue.intake.delete("old")
        queue.intake.submit(make_spec("new"), now)

    rig.ledger.commit_now(both)
    assert rig.list_stored() == rig.list_jobs() == ["new"]
