"""Range sets, against Python's own sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headrace_coordinator.queue.ranges import RangeSet

edges = st.tuples(st.integers(0, 60), st.integers(0, 60))
changes = st.lists(st.tuples(st.booleans(), edges), max_size=30)


def build(steps: list[tuple[bool, tuple[int, int]]]) -> tuple[RangeSet, set[int]]:
    ranges, model = RangeSet(), set[int]()
    for adding, (start, stop) in steps:
        if adding:
            ranges.add(start, stop)
            model |= set(range(start, stop))
        else:
            ranges.remove(start, stop)
            model -= set(range(start, stop))
    return ranges, model


def spread(pieces: list[tuple[int, int]]) -> set[int]:
    return {index for start, stop in pieces for index in range(start, stop)}


@given(changes)
def test_a_range_set_holds_what_a_set_holds(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    ranges, model = build(steps)
    assert spread(list(ranges)) == model
    assert ranges.count == len(model)
    assert all(index in ranges for index in model)
    assert not any(index in ranges for index in set(range(-2, 63)) - model)


@given(st.lists(edges))
def test_it_is_made_of_ranges_in_any_order(pieces: list[tuple[int, int]]) -> None:
    assert RangeSet(pieces) == build([(True, piece) for piece in pieces])[0]
    assert RangeSet(pieces).count == len(spread(pieces))


@given(changes)
def test_ranges_are_sorted_and_never_touch(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    pieces = list(build(steps)[0])
    assert all(start < stop for start, stop in pieces)
    assert all(left[1] < right[0] for left, right in pairwise(pieces))


@given(changes, edges)
def test_overlap_and_missing_share_a_range_out(
    steps: list[tuple[bool, tuple[int, int]]], span: tuple[int, int]
) -> None:
    ranges, model = build(steps)
    start, stop = span
    asked = set(range(start, stop))
    assert all(left < right for left, right in ranges.overlap(start, stop))
    assert spread(ranges.overlap(start, stop)) == asked & model
    assert spread(ranges.missing(start, stop)) == asked - model
    assert ranges.covers(start, stop) == (asked <= model)


@given(changes, edges)
def test_ranges_are_found_and_counted_from_an_index_on(
    steps: list[tuple[bool, tuple[int, int]]], span: tuple[int, int]
) -> None:
    ranges, _ = build(steps)
    start, stop = span
    later = [piece for piece in ranges if piece[1] > start]
    assert ranges.next_range(start) == (later[0] if later else None)
    assert ranges.count_ranges(start, stop) == len(ranges.overlap(start, stop))


@given(changes, st.integers(0, 60))
def test_next_missing_is_the_first_gap(
    steps: list[tuple[bool, tuple[int, int]]], index: int
) -> None:
    ranges, model = build(steps)
    expected = next(candidate for candidate in range(index, 100) if candidate not in model)
    assert ranges.next_missing(index) == expected


@given(changes)
def test_the_first_range_ends_where_the_first_gap_begins(
    steps: list[tuple[bool, tuple[int, int]]],
) -> None:
    ranges, model = build(steps)
    if not model:
        return
    start, stop = ranges.first()
    assert start == min(model)
    assert set(range(start, stop)) <= model
    assert stop not in model


@given(changes, edges, st.integers(1, 10))
def test_the_first_of_an_overlap_and_the_last_before_it_are_found(
    steps: list[tuple[bool, tuple[int, int]]], span: tuple[int, int], most: int
) -> None:
    ranges, model = build(steps)
    start, stop = span
    assert ranges.last_before(start) == max((one for one in model if one < start), default=None)
    taken = spread(ranges.take_from(start, stop, most)) if start < stop else set()
    assert taken == set(sorted(model & set(range(start, stop)))[:most])


@given(changes)
def test_blocks_are_in_order_and_never_empty(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    ranges, model = RangeSet((index, index + 1) for index in range(0, 6000, 2)), set[int]()
    model = set(range(0, 6000, 2))
    for adding, (start, stop) in steps:
        left, right = 100 * start, 100 * stop
        (ranges.add if adding else ranges.remove)(left, right)
        model = model | set(range(left, right)) if adding else model - set(range(left, right))
    assert spread(list(ranges)) == model
    assert (ranges.count, ranges.end()) == (len(model), max(model, default=-1) + 1)
    assert ranges.missing(0, 6000) == RangeSet(model_gaps(model)).overlap(0, 6000)
    assert bool(ranges) == bool(model)


def model_gaps(model: set[int]) -> list[tuple[int, int]]:
    return [(index, index + 1) for index in range(6000) if index not in model]


def test_a_billion_indices_take_one_range() -> None:
    ranges = RangeSet([(0, 10**9)])
    ranges.remove(0, 1000)
    assert ranges.first() == (1000, 10**9)
    assert (len(list(ranges)), ranges.count) == (1, 10**9 - 1000)
