"""What nobody asks for any more leaves the store with one of many commits, or at the next start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_coordinator.store.removals import LONGEST_SECONDS, MOST_ROWS
from headrace_coordinator.store.store import CLOCK_SECONDS, Store
from headrace_wire.messages.spans import Span
from support.stored_rig import StoredRig


def work(rig: StoredRig, tasks: int) -> None:
    """Put tasks one by one, and do them."""
    job = rig.queue.state.find("job")
    for index in range(job.tasks, job.tasks + tasks):
        rig.put("job", index, [b"x"])
    while leases := rig.lease():
        for lease in leases:
            rig.finish(lease)
    rig.write()


def deliver(rig: StoredRig) -> None:
    kept = rig.queue.state.find("job").undelivered
    spans = [Span(start, stop) for start, (stop, _) in kept.items()]
    rig.queue.intake.deliver("job", spans, rig.now)
    rig.write()


def count(rig: StoredRig, table: str) -> int:
    (found,) = rig.read(f"SELECT count(*) FROM {table}")
    return int(found)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[StoredRig]:
    made = StoredRig(tmp_path / "store")
    made.join()
    made.submit(tasks=None, owned=True)
    yield made
    made.store.close()


def test_rows_go_after_a_while(rig: StoredRig) -> None:
    work(rig, 3)
    deliver(rig)
    assert count(rig, "inputs") == 3
    assert not rig.store.has_due_removals(rig.seconds)
    rig.seconds += LONGEST_SECONDS
    assert rig.store.has_due_removals(rig.seconds)
    rig.write()
    assert (count(rig, "inputs"), count(rig, "results")) == (0, 0)
    assert not rig.store.has_due_removals(rig.seconds + LONGEST_SECONDS)


def test_rows_go_when_there_are_many(rig: StoredRig) -> None:
    work(rig, MOST_ROWS - 1)
    assert count(rig, "inputs") == MOST_ROWS - 1
    work(rig, 1)
    assert count(rig, "inputs") == 0


def test_after_a_crash_the_inputs_of_what_is_done_are_not_loaded_and_go(rig: StoredRig) -> None:
    work(rig, 2)
    rig.put("job", 2, [b"waits"])
    rig.write()
    again = Store(rig.path)
    ((job, _),) = again.load()
    assert [*job.chunks.starts] == [2]
    assert count(rig, "inputs") == 3
    again.write([], {}, again.load_clock() + LONGEST_SECONDS)
    assert count(rig, "inputs") == 1
    again.close()


def test_what_was_delivered_stays_done_whenever_its_rows_go(rig: StoredRig) -> None:
    work(rig, 4)
    deliver(rig)
    for seconds in (0.0, LONGEST_SECONDS):
        rig.seconds += seconds
        rig.write()
        again = Store(rig.path)
        ((job, _),) = again.load()
        assert list(job.done) == [(0, 4)]
        again.close()


def test_the_store_forgets_what_was_to_go_when_it_is_read_again(rig: StoredRig) -> None:
    work(rig, 1)
    deliver(rig)
    ((job, _),) = rig.store.load()
    assert job.undelivered, "its queue begins anew and will say so again"
    rig.store.write([], {"job": job}, rig.seconds + LONGEST_SECONDS)
    assert count(rig, "results") == 1


def test_the_clock_is_stored_now_and_then(rig: StoredRig) -> None:
    rig.seconds = 10.0
    rig.write()
    rig.seconds += CLOCK_SECONDS / 2
    rig.write()
    assert rig.store.load_clock() == 10.0
    rig.seconds += CLOCK_SECONDS / 2
    rig.write()
    assert rig.store.load_clock() == 10.0 + CLOCK_SECONDS
