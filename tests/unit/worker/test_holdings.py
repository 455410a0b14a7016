from __future__ import annotations

from headrace_wire.messages.leases import Lease
from headrace_wire.messages.spans import HeldSpan
from headrace_worker.holdings import JOBS_KEPT, Holdings


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


def make_lease(number: int, job: str = "job", *, parameters: bytes | None = b"") -> Lease:
    return Lease(
        number, job, "calls", "map", parameters, 0, 4, 1, None, (), proof=f"proof {number}"
    )


def test_leases_are_shown_as_they_were_granted_whatever_is_left_of_them() -> None:
    holdings = Holdings()
    holdings.take([make_lease(1), make_lease(2), make_lease(3, "other")], 5)
    holdings.release(1, 3)
    (shown,) = holdings.find_granted([1, 1], ["job"])
    assert shown == HeldSpan(1, "job", 0, 4, 1, 5, "proof 1")
    assert holdings.runs()[-1] == shown
    assert {run.lease for run in holdings.find_granted([1, 2, 9], ["other"])} == {1, 2, 3}


def test_of_a_job_whose_leases_are_over_the_newest_is_shown() -> None:
    holdings = Holdings()
    holdings.take([make_lease(1), make_lease(2, parameters=None)], 1)
    holdings.release(1, 4)
    holdings.release(2, 4)
    assert [run.lease for run in holdings.find_granted([], ["job", "unknown"])] == [2]
    holdings.forget_job("job")
    assert [run.lease for run in holdings.find_granted([1], ["job"])] == [2]


def test_newest_leases_are_kept_of_no_more_jobs_than_parameters() -> None:
    holdings = Holdings()
    for number in range(JOBS_KEPT + 2):
        holdings.take([make_lease(number, f"job{number}")], number)
        holdings.release(number, 4)
    holdings.take((), 0)
    assert holdings.find_granted([], ["job0", "job1"]) == ()
    assert holdings.find_granted([], ["job2"]) != ()


def test_what_another_worker_held_is_shown() -> None:
    run = HeldSpan(1, "job", 0, 4, 1, 5, "proof")
    assert Holdings([run]).find_granted([1], []) == (run,)
