"""The times of a job's tasks in one line."""

from __future__ import annotations

import pytest

from headrace.cli.times import describe_times
from headrace_wire.messages.job_views import NO_TIMES, TaskTimes

BOUNDS = (0.0025, 0.5, 1.0, 120.0, 3600.0)


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ((90, 8, 2, 0, 0, 0), "half within 2.5 ms, 95 % within 500 ms, all within 1 s"),
        ((7, 0, 0, 0, 0, 0), "all within 2.5 ms"),
        ((0, 1, 0, 0, 1, 0), "half within 500 ms, all within 1 h"),
        ((0, 0, 0, 20, 0, 1), "95 % within 2 min, all in more than 1 h"),
        ((0, 0, 0, 0, 0, 3), "all in more than 1 h"),
    ],
)
def test_the_times_that_tell_most_are_told(counts: tuple[int, ...], line: str) -> None:
    assert describe_times(TaskTimes(BOUNDS, counts)) == line


def test_of_no_times_nothing_is_told() -> None:
    assert describe_times(NO_TIMES) == ""
