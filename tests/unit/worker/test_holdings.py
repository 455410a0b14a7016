from __future__ import annotations

from headrace_worker.holdings import Holdings


def test_all_requests_are_answered_up_to_the_one_before_the_first_that_is_not() -> None:
    holdings = Holdings()
    assert holdings.snapshot() == (0, ())
    first, second, third = (holdings.ask() for _ in range(3))
    holdings.take((), second)
    assert holdings.snapshot()[0] == first - 1
    holdings.take((), first)
    assert holdings.snapshot()[0] == second
    holdings.give_up()
    assert holdings.snapshot()[0] == third
