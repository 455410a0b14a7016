from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace_worker.pool.runners import KEPT_JOBS, KeptJobs


def test_the_job_that_was_used_longest_ago_is_forgotten() -> None:
    jobs: KeptJobs[int] = KeptJobs(2)
    jobs.keep("a", 1)
    jobs.keep("b", 2)
    assert jobs.touch("a") == 1
    jobs.keep("c", 3)
    assert (jobs.touch("a"), jobs.touch("b"), jobs.touch("c")) == (1, None, 3)


@given(st.lists(st.integers(0, KEPT_JOBS * 2), max_size=200))
def test_the_pool_knows_what_a_slot_knows(order: list[int]) -> None:
    """The pool sends what it believes to be missing; the slot never misses anything."""
    pool_side: KeptJobs[bool] = KeptJobs()
    slot_side: KeptJobs[bool] = KeptJobs()
    for number in order:
        job = str(number)
        known = pool_side.touch(job) is not None
        if not known:
            pool_side.keep(job, True)
        assert (slot_side.touch(job) is not None) == known
        if not known:
            slot_side.keep(job, True)
