"""A large job is forgotten at once, and its rows go in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace_coordinator.store import sweep
from headrace_coordinator.store.need import LARGE_BYTES
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch
from headrace_wire.messages.jobs import SUCCEEDED
from headrace_wire.messages.reports import DoneSpan
from support.stored_rig import StoredRig

ROWS = 10


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoredRig]:
    monkeypatch.setattr(sweep, "SWEPT_ROWS", ROWS)
    made = StoredRig(tmp_path / "store")
    made.join()
    yield made
    made.store.close()


def work(rig: StoredRig, tasks: int, size: int = 5) -> None:
    """Do so many tasks of a new job, a run for each."""
    rig.submit(tasks=tasks)
    while leases := rig.lease(slots=1):
        for lease in leases:
            for index in range(lease.start, lease.stop):
                values = pack_batch([bytes(size)])
                run = DoneSpan(lease.id, "job", index, index + 1, values, 0.1, 0.1)
                rig.report("w", done=(run,))
    rig.write()


def count(rig: StoredRig, table: str = "results") -> int:
    (found,) = rig.read(f"SELECT count(*) FROM {table}")
    return int(found)


def test_a_small_job_is_gone_with_one_commit(rig: StoredRig) -> None:
    work(rig, ROWS - 1)
    rig.queue.intake.delete("job")
    rig.write()
    assert count(rig) == count(rig, "doomed") == 0
    assert not rig.store.sweep(0.0)


def test_a_large_one_goes_in_pieces_and_a_restart_goes_on_with_it(rig: StoredRig) -> None:
    work(rig, 3 * ROWS + 5)
    rig.queue.intake.delete("job")
    rig.write()
    assert count(rig) == 2 * ROWS + 5
    rig.store.sweep(0.0)
    assert count(rig) == ROWS + 5
    with closing(Store(rig.path)) as again:
        assert again.load() == []
        while again.sweep(0.0):
            pass
    assert count(rig) == count(rig, "doomed") == 0


def test_the_same_id_may_be_used_again_at_once(rig: StoredRig) -> None:
    work(rig, 3 * ROWS)
    rig.queue.intake.delete("job")
    rig.write()
    work(rig, 2)
    assert count(rig) == 2
    ((job, _),) = rig.store.load()
    assert (job.tasks, job.done.count) == (2, 2)


def test_results_that_were_acknowledged_are_not_counted_again(rig: StoredRig) -> None:
    work(rig, 3 * ROWS)
    rig.queue.intake.acknowledge("job")
    rig.write()
    assert count(rig) == 2 * ROWS
    with closing(Store(rig.path)) as again:
        ((job, _),) = again.load()
        assert (job.state, job.done.count, job.result_bytes) == (SUCCEEDED, 3 * ROWS, 0)
        while again.sweep(0.0):
            pass
        ((job, _),) = again.load()
        assert (job.state, job.done.count) == (SUCCEEDED, 3 * ROWS)
    assert count(rig) == 0


def test_the_places_of_payloads_come_free(rig: StoredRig) -> None:
    work(rig, 3 * ROWS, LARGE_BYTES)
    rig.queue.intake.delete("job")
    rig.write()
    while rig.store.sweep(0.0):
        pass
    rig.store._payloads.trim(0)
    assert rig.store._payloads.measure_bytes() == 0
