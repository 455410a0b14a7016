"""What nobody asks for any more leaves the store with one of many commits, or at the next start."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_coordinator.removals import LONGEST_SECONDS, MOST_ROWS
from headrace_coordinator.store import CLOCK_SECONDS, Store
from headrace_wire.messages import Span
from support.queue_builders import Rig


class StoredRig(Rig):
    """A queue whose events go to a store."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.store = Store(path)
        self.join()
        self.submit(tasks=None, owned=True)

    def write(self) -> None:
        state = self.queue.state
        self.store.write(state.drain_events(), state.jobs, self.seconds)

    def work(self, tasks: int) -> None:
        """Put tasks one by one, and do them."""
        job = self.queue.state.find("job")
        for index in range(job.tasks, job.tasks + tasks):
            self.put("job", index, [b"x"])
        while leases := self.lease():
            for lease in leases:
                self.finish(lease)
        self.write()

    def deliver(self) -> None:
        kept = self.queue.state.find("job").undelivered
        spans = [Span(start, stop) for start, (stop, _) in kept.items()]
        self.queue.intake.deliver("job", spans, self.now)
        self.write()

    def count(self, table: str) -> int:
        with sqlite3.connect(self.path) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        connection.close()
        return int(count)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[StoredRig]:
    made = StoredRig(tmp_path / "store")
    yield made
    made.store.close()


def test_rows_go_after_a_while(rig: StoredRig) -> None:
    rig.work(3)
    rig.deliver()
    assert rig.count("inputs") == 3
    assert rig.store.has_removals
    rig.seconds += LONGEST_SECONDS
    rig.write()
    assert (rig.count("inputs"), rig.count("results")) == (0, 0)
    assert not rig.store.has_removals


def test_rows_go_when_there_are_many(rig: StoredRig) -> None:
    rig.work(MOST_ROWS - 1)
    assert rig.count("inputs") == MOST_ROWS - 1
    rig.work(1)
    assert rig.count("inputs") == 0


def test_after_a_crash_the_inputs_of_what_is_done_are_not_loaded_and_go(rig: StoredRig) -> None:
    rig.work(2)
    rig.put("job", 2, [b"waits"])
    rig.write()
    again = Store(rig.path)
    ((job, _),) = again.load()
    assert [*job.chunks.starts] == [2]
    assert rig.count("inputs") == 3
    again.write([], {}, again.load_clock() + LONGEST_SECONDS)
    assert rig.count("inputs") == 1
    again.close()


def test_what_was_delivered_stays_done_whenever_its_rows_go(rig: StoredRig) -> None:
    rig.work(4)
    rig.deliver()
    for seconds in (0.0, LONGEST_SECONDS):
        rig.seconds += seconds
        rig.write()
        again = Store(rig.path)
        ((job, _),) = again.load()
        assert list(job.done) == [(0, 4)]
        again.close()


def test_the_store_forgets_what_was_to_go_when_it_is_read_again(rig: StoredRig) -> None:
    rig.work(1)
    rig.deliver()
    ((job, _),) = rig.store.load()
    assert job.undelivered, "its queue begins anew and will say so again"
    rig.store.write([], {"job": job}, rig.seconds + LONGEST_SECONDS)
    assert rig.count("results") == 1


def test_the_clock_is_stored_now_and_then(rig: StoredRig) -> None:
    rig.seconds = 10.0
    rig.write()
    rig.seconds += CLOCK_SECONDS / 2
    rig.write()
    assert rig.store.load_clock() == 10.0
    rig.seconds += CLOCK_SECONDS / 2
    rig.write()
    assert rig.store.load_clock() == 10.0 + CLOCK_SECONDS
