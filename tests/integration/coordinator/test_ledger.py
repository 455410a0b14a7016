"""The ledger: nothing is acknowledged before its commit, and memory is never ahead of the disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_coordinator.events import Event, JobSubmitted
from headrace_coordinator.invariants import check_invariants
from headrace_coordinator.ledger import Ledger
from headrace_coordinator.queue import Queue
from headrace_coordinator.rules import Rules
from headrace_coordinator.state import Now
from headrace_coordinator.store import Store
from headrace_wire.batch import pack_batch
from headrace_wire.errors import StoreError, UnknownJobError
from support.queue_builders import make_spec


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
        self.ledger.commit(lambda queue, now: queue.intake.submit(make_spec(job, tasks), now))

    def put(self, job: str, start: int, data: bytes) -> None:
        self.ledger.commit(lambda queue, now: queue.intake.put(job, start, pack_batch([data]), now))

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
    gate, held = threading.Event(), threading.Event()

    def hold(queue: Queue, now: Now) -> None:
        queue.intake.submit(make_spec("first"), now)
        held.set()
        assert gate.wait(10)

    first = threading.Thread(target=lambda: rig.ledger.commit(hold))
    first.start()
    assert held.wait(10)
    rest = [threading.Thread(target=rig.submit, args=(f"j{n}",)) for n in range(8)]
    for thread in rest:
        thread.start()
    while len(rig.ledger._pending) < 8:
        pass  # they queue up at once; the test's time limit bounds this
    gate.set()
    for thread in [first, *rest]:
        thread.join(10)
    assert rig.commits <= 2
    assert len(rig.list_stored()) == 9


def test_an_error_of_one_call_is_its_own(rig: Rig) -> None:
    with pytest.raises(UnknownJobError):
        rig.ledger.commit(lambda queue, now: queue.intake.cancel("nonesuch", now))
    rig.submit("a")
    assert rig.list_stored() == ["a"]


def test_a_full_disk_refuses_clearly_and_forgets_what_was_not_acknowledged(rig: Rig) -> None:
    rig.submit("a", None)
    rig.fill_disk()
    with pytest.raises(StoreError, match=r"cannot be written .*make room"):
        rig.put("a", 0, bytes(1 << 20))
    assert rig.ledger.problem
    assert rig.list_jobs() == rig.list_stored() == ["a"]
    rig.ledger.mend()
    assert rig.ledger.problem, "there is still no room"


def test_when_there_is_room_again_it_goes_on(rig: Rig) -> None:
    rig.submit("a", None)
    rig.fill_disk()
    with pytest.raises(StoreError):
        rig.put("a", 0, bytes(1 << 20))
    rig.make_room()
    rig.ledger.mend()
    assert rig.ledger.problem == ""
    rig.put("a", 0, bytes(1 << 20))
    assert rig.store.reader.read_inputs("a", 0, 1) == (pack_batch([bytes(1 << 20)]),)


def test_a_transition_that_breaks_half_way_leaves_nothing(rig: Rig) -> None:
    def break_down(queue: Queue, now: Now) -> None:
        queue.intake.submit(make_spec("half"), now)
        raise ZeroDivisionError

    rig.submit("a")
    with pytest.raises(Exception, match="its log says why"):
        rig.ledger.commit(break_down)
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
