"""What was committed a moment ago is found without the database, and never less than all of it."""

from __future__ import annotations

import pytest

from headrace_coordinator.store.recent import (
    ENTRY_BYTES,
    LARGEST_BYTES,
    MOST_BYTES,
    RecentInputs,
    RecentResults,
)
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.messages.results import ResultSpan

ALL = 1 << 30


def make_run(start: int, size_bytes: int = 4) -> ResultSpan:
    return ResultSpan(start, start + 1, pack_batch([bytes(size_bytes)]))


def find_items(inputs: RecentInputs, start: int, stop: int) -> list[bytes] | None:
    batches = inputs.find("job", start, stop)
    if batches is None:
        return None
    return [item for batch in batches for item in unpack_batch(batch)]


def test_inputs_are_found_across_batches_and_within_one() -> None:
    inputs = RecentInputs()
    items = [str(index).encode() for index in range(9)]
    inputs.add("job", 0, 4, pack_batch(items[:4]))
    inputs.add("job", 4, 9, pack_batch(items[4:]))
    for start in (0, 4):
        for stop in range(start + 1, 10):
            assert find_items(inputs, start, stop) == items[start:stop]
    assert inputs.find("job", 1, 2) is None, "no batch begins there"
    assert inputs.find("job", 8, 10) is None
    assert inputs.find("other", 0, 1) is None


def test_inputs_of_which_a_part_is_gone_are_not_found() -> None:
    inputs = RecentInputs()
    inputs.add("job", 0, 1, pack_batch([b"a"]))
    inputs.add("job", 1, 2, pack_batch([b"b"]))
    inputs.drop("job", 0)
    inputs.drop("job", 0)
    assert inputs.find("job", 0, 2) is None
    assert find_items(inputs, 1, 2) == [b"b"]
    inputs.drop_job("job")
    assert inputs.find("job", 1, 2) is None


def test_inputs_for_which_there_is_no_room_are_left_to_the_store() -> None:
    inputs = RecentInputs()
    batch = pack_batch([bytes(LARGEST_BYTES // 2)])
    fitting = MOST_BYTES // (len(batch) + ENTRY_BYTES)
    for index in range(fitting + 1):
        inputs.add("job", index, index + 1, batch)
    assert inputs.find("job", fitting - 1, fitting)
    assert inputs.find("job", fitting, fitting + 1) is None
    inputs.drop("job", 0)
    inputs.add("job", fitting + 1, fitting + 2, pack_batch([b"c"]))
    assert find_items(inputs, fitting + 1, fitting + 2) == [b"c"]


def test_large_inputs_are_left_to_the_store() -> None:
    inputs = RecentInputs()
    inputs.add("job", 0, 1, bytes(LARGEST_BYTES + 1))
    assert inputs.find("job", 0, 1) is None


@pytest.fixture
def results() -> RecentResults:
    made = RecentResults()
    made.begin("job")
    return made


def test_results_are_found_after_the_one_that_was_read(results: RecentResults) -> None:
    runs = [make_run(index) for index in range(3)]
    for number, run in zip((3, 8, 9), runs, strict=True):
        results.add("job", number, run)
    assert results.find("job", 0, ALL) == (runs, 9)
    assert results.find("job", 0, 1) == (runs[:1], 3), "a run at least"
    assert results.find("job", 3, ALL) == (runs[1:], 9)
    assert results.find("job", 9, ALL) == ([], 9)
    assert results.find("job", 3, ALL) is None, "those were delivered: the store may have them"


def test_only_jobs_whose_every_result_was_seen_are_answered_for(results: RecentResults) -> None:
    results.add("older", 1, make_run(0))
    assert results.find("older", 0, ALL) is None
    results.drop_job("job")
    results.add("job", 2, make_run(0))
    assert results.find("job", 0, ALL) is None


def test_what_was_missed_for_want_of_room_is_read_from_the_store(results: RecentResults) -> None:
    results.add("job", 1, make_run(0))
    results.add("job", 2, make_run(1, LARGEST_BYTES))
    results.add("job", 3, make_run(2))
    assert results.find("job", 0, ALL) is None
    assert results.find("job", 1, ALL) is None
    assert results.find("job", 2, ALL) == ([make_run(2)], 3)
    results.add("job", 7, make_run(4))
    assert results.find("job", 3, ALL) == ([make_run(4)], 7)
