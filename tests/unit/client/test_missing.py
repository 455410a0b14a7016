"""What is said of the values that a job does not have."""

from __future__ import annotations

import pytest

from headrace.missing import Received, describe_missing
from headrace_wire.messages.jobs import CANCELLED, FAILED, SUCCEEDED, JobStatus
from support.wire_messages import make_message


def describe(
    *spans: tuple[int, int],
    tasks: int,
    state: str = CANCELLED,
    failed: int = 0,
    because: str = "",
    all_read: bool = True,
) -> str:
    received = Received()
    for start, stop in spans:
        received.add(start, stop)
    done = sum(stop - start for start, stop in spans)
    status = make_message(
        JobStatus, id="j", state=state, tasks=tasks, done=done, failed=failed, ended_because=because
    )
    return describe_missing(status, received, all_read=all_read)


def test_a_job_whose_values_are_all_there_misses_none() -> None:
    assert describe((4, 9), (0, 4), tasks=9, state=SUCCEEDED) == ""
    assert describe(tasks=0, state=CANCELLED) == ""


def test_one_line_says_how_many_are_missing_which_are_the_first_and_why() -> None:
    assert describe((0, 4), tasks=6) == (
        "2 of 6 values of job j are missing, of tasks 4, 5: the job was cancelled"
    )
    assert describe(tasks=1) == "1 of 1 value of job j is missing, of task 0: the job was cancelled"
    assert describe((0, 1), (2, 4), tasks=4) == (
        "1 of 4 values of job j is missing, of task 1: the job was cancelled"
    )


def test_of_many_only_the_first_are_named() -> None:
    line = describe((0, 2), (5, 7), tasks=1_000_000)
    assert "999,996 of 1,000,000" in line
    assert "of tasks 2, 3, 4, 7, 8 and others:" in line


def test_everything_that_took_values_away_is_told() -> None:
    line = describe((0, 2), tasks=5, state=FAILED, failed=1, because="its deadline of 5 s passed")
    assert line.endswith(": 1 task failed, and its deadline of 5 s passed")


@pytest.mark.parametrize(
    ("spans", "which"),
    [
        ([(0, 3), (4, 6)], ", of tasks 3 and others:"),
        ([(0, 3)], ":"),
    ],
)
def test_who_stopped_reading_names_only_what_was_passed_over(
    spans: list[tuple[int, int]], which: str
) -> None:
    line = describe(*spans, tasks=10, all_read=False)
    assert f"values of job j are missing{which} the job was cancelled" in line
