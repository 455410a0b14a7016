"""Results in pieces: where each of them ends is known before any of them is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_coordinator.store import reader as reader_module
from headrace_coordinator.store.need import LARGE_BYTES
from headrace_wire.messages.reports import DoneSpan
from support.stored_rig import StoredRig

#: Sizes of values, some of which are in the payload file.
SIZES = [10, 700, 1, 2 * LARGE_BYTES, 5, 400, 400, 300, 3 * LARGE_BYTES, 999, 2, 20]

TASKS = len(SIZES)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[StoredRig]:
    rig = StoredRig(tmp_path / "headrace.db")
    rig.join(slots=1)
    for job in ("job", "other"):
        rig.submit(job, TASKS, owned=job == "job")
    for _ in range(2 * TASKS):  # their rows are in turn
        (lease,) = rig.lease(slots=1)
        value = bytes(SIZES[lease.start])
        batch = b"\x91\xc6" + len(value).to_bytes(4, "big") + value
        run = DoneSpan(lease.id, lease.job, lease.start, lease.stop, batch, 1.0, 1.0)
        rig.report(lease.worker, done=(run,))
        rig.write()
    yield rig
    rig.store.close()


@pytest.mark.parametrize("size", [1, 500, 1000, 2 * LARGE_BYTES, 100 * LARGE_BYTES])
def test_pieces_end_where_reading_one_after_the_other_ends(rig: StoredRig, size: int) -> None:
    reader = rig.store.reader
    ends: list[int] = []
    number = 0
    while True:
        runs, number = reader.read_results_after("job", number, size)
        if not runs:
            break
        ends.append(number)
    assert reader.plan_pieces("job", 0, size, TASKS) == tuple(ends)
    assert reader.plan_pieces("job", 0, size, 2) == tuple(ends[:2])
    assert reader.plan_pieces("job", ends[0], size, TASKS) == tuple(ends[1:])
    starts: list[int] = []
    for begin, end in zip([0, *ends], ends, strict=False):
        runs, last = reader.read_results_after("job", begin, size, until=end)
        assert last == end
        starts += [run.start for run in runs]
    assert sorted(starts) == list(range(TASKS))


def test_of_what_has_not_come_there_is_no_piece(rig: StoredRig) -> None:
    (last,) = rig.store.reader.plan_pieces("job", 0, 1 << 30, TASKS)
    assert rig.store.reader.plan_pieces("job", last, 1, TASKS) == ()
    assert rig.store.reader.read_results_after("job", last, 1, until=last) == ([], last)


def test_many_small_results_are_planned_a_part_at_a_time(
    rig: StoredRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "PLANNED_ROWS", 4)
    reader, numbers = rig.store.reader, [0]
    while ends := reader.plan_pieces("job", numbers[-1], 1 << 30, TASKS):
        numbers += ends
    assert len(numbers) == 1 + TASKS // 4
