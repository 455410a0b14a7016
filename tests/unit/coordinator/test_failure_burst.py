"""Failures of one job that come at the same time."""

from __future__ import annotations

from headrace_coordinator.failure_burst import MOST_AT_ONCE, MOST_GROUPED, FailureBurst
from headrace_wire.messages.failures import TaskFailure


def make_failure(index: int, error_type: str, message: str = "bad value 5") -> TaskFailure:
    return TaskFailure(1, "job", index, 1, "error", error_type=error_type, message=message)


def test_few_are_told_one_by_one() -> None:
    burst = FailureBurst()
    told = [burst.add(make_failure(index, "ValueError")) for index in range(MOST_AT_ONCE)]
    assert all(told)
    assert not burst.sum_up()


def test_the_others_are_summed_up_with_what_most_of_them_met() -> None:
    burst = FailureBurst()
    kinds = ["KeyError"] * MOST_AT_ONCE + ["OSError", "ValueError", "ValueError"]
    told = [burst.add(make_failure(index, kind)) for index, kind in enumerate(kinds)]
    assert told == [True] * MOST_AT_ONCE + [False] * 3
    most = "3 more tasks have failed for good, most often like task 6: ValueError: bad value 5"
    assert burst.sum_up() == most


def test_it_is_said_where_all_the_others_are_alike() -> None:
    burst = FailureBurst()
    for index in range(MOST_AT_ONCE + 1):
        burst.add(TaskFailure(1, "job", index, 1, "crash", "SIGKILL"))
    assert burst.sum_up() == "1 more task has failed for good, like task 5: crash (SIGKILL)"


def test_of_very_many_only_some_are_grouped() -> None:
    burst = FailureBurst()
    for index in range(100 * MOST_GROUPED):
        burst.add(make_failure(index, "ValueError", "a\nb"))
    most = "19,995 more tasks have failed for good, most often like task 5: ValueError: a b"
    assert burst.sum_up() == most
