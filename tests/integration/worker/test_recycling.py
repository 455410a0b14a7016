"""Slots that are replaced after so many tasks or so much memory, and what memory they get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from support.pool_driver import every_start_method, make_batch, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.polled_pool import Pool

# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@every_start_method
def test_slots_are_recycled_after_so_many_tasks(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(max_tasks=7)
    outcomes = run(pool, make_batch("pid", 30))
    assert outcomes.indices() == list(range(30))
    pids = [value for (value,) in outcomes.values.values()]
    assert max(pids.count(pid) for pid in set(pids)) == 7
    assert not outcomes.failures


@every_start_method
def test_slots_are_recycled_when_they_grow_too_big(
    make_pool: Callable[..., Pool], start_method: str
) -> None:
    # A slot that is forked from this very process begins with all that it has.
    first = psutil.Process().memory_info().rss if start_method == "fork" else 0
    pool = make_pool(max_rss_bytes=first + (100 << 20))
    outcomes = run(pool, make_batch("act", 7, hoard=([], 60 << 20)))
    assert outcomes.indices() == list(range(7))
    assert not outcomes.failures
    assert max(slot.rss_bytes for slot in pool.stats()) < first + (200 << 20)


@every_start_method
def test_a_slot_gets_no_more_memory_than_its_limit(
    make_pool: Callable[..., Pool], start_method: str
) -> None:
    # As above; what a process has by RLIMIT_DATA.
    first = psutil.Process().memory_info().data if start_method == "fork" else 0
    pool = make_pool(1, memory_limit_bytes=first + (1 << 30))
    outcomes = run(pool, make_batch("act", 3, hoard=([1], 3 << 30)))
    (failed,) = outcomes.failed()
    assert (failed.index, failed.reason, failed.error_type) == (1, "error", "MemoryError")
    assert sorted(index for _, index in outcomes.values) == [0, 2]
    assert not pool.take_restarts()


@every_start_method
def test_a_thread_that_a_task_leaves_behind_does_not_hold_up_recycling(
    make_pool: Callable[..., Pool],
) -> None:
    pool = make_pool(max_tasks=1)
    assert run(pool, make_batch("act", 3, acts={"leave a thread": ([], None)})).indices() == [
        0,
        1,
        2,
    ]
