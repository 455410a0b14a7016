from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes.coverage import Coverage


@settings(deadline=None)
@given(st.permutations(range(12)), st.integers(0, 12))
def test_the_first_missing_run_is_found(order: list[int], seen: int) -> None:
    coverage = Coverage()
    for index in order[:seen]:
        coverage.add(index)
    absent = sorted(order[seen:])
    missing = coverage.find_missing(12)
    if not absent:
        assert missing is None
        return
    stop = absent[0]
    while stop in absent:
        stop += 1
    assert missing == (absent[0], stop)


def test_a_job_without_tasks_misses_none() -> None:
    assert Coverage().find_missing(0) is None
