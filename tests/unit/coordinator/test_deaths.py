"""Failures of one job that come at the same time."""

from __future__ import annotations

from headrace_coordinator.deaths import MOST_DEATHS_AT_ONCE, MOST_GROUPED, Deaths
from headrace_wire.messages.failures import TaskFailure


def make_failure(index: int, error_type: str, message: str = "bad value 5") -> TaskFailure:
    return TaskFailure(1, "job", index, 1, "error", error_type=error_type, message=message)


def test_few_are_told_one_by_one() -> None:
    deaths = Deaths()
    told = [deaths.add(make_failure(index, "ValueError")) for index in range(MOST_DEATHS_AT_ONCE)]
    assert all(told)
    assert not deaths.sum_up()


def test_the_others_are_summed_up_with_what_most_of_them_met() -> None:
    deaths = Deaths()
    kinds = ["KeyError"] * MOST_DEATHS_AT_ONCE + ["OSError", "ValueError", "ValueError"]
    told = [deaths.add(make_failure(index, kind)) for index, kind in enumerate(kinds)]
    assert told == [True] * MOST_DEATHS_AT_ONCE + [False] * 3
    most = "3 more tasks have failed for good, most often like task 6: ValueError: bad value 5"
    assert deaths.sum_up() == most


def test_it_is_said_where_all_the_others_are_alike() -> None:
    deaths = Deaths()
    for index in range(MOST_DEATHS_AT_ONCE + 1):
        deaths.add(TaskFailure(1, "job", index, 1, "crash", "SIGKILL"))
    assert deaths.sum_up() == "1 more task has failed for good, like task 5: crash (SIGKILL)"


def test_of_very_many_only_some_are_grouped() -> None:
    deaths = Deaths()
    for index in range(100 * MOST_GROUPED):
        deaths.add(make_failure(index, "ValueError", "a\nb"))
    most = "19,995 more tasks have failed for good, most often like task 5: ValueError: a b"
    assert deaths.sum_up() == most
