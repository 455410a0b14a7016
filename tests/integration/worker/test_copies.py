"""Tasks that fork, and whose children come back to the slot as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.pool_driver import every_start_method, make_batch, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.polled_pool import Pool

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@every_start_method
def test_a_task_that_forks_has_one_outcome_and_disturbs_no_other(
    make_pool: Callable[..., Pool], capfd: pytest.CaptureFixture[str]
) -> None:
    pool = make_pool(2)
    for number in range(5):
        outcomes = run(
            pool,
            make_batch(tasks=2, job=f"forks {number}", fork=([0], None)),
            make_batch("noop", 100, job=f"others {number}"),
        )
        assert not outcomes.failures
        assert outcomes.indices(f"forks {number}") == [0, 1]
        assert outcomes.indices(f"others {number}") == list(range(100))
    pool.close()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("start_method", "status"),
    [("forkserver", None), ("spawn", 0), ("fork", 3)],
    indirect=["start_method"],
)
def test_a_child_that_exits_ends_with_its_status_and_the_slot_goes_on(
    make_pool: Callable[..., Pool], status: int | None
) -> None:
    pool = make_pool(1)
    assert not run(pool, make_batch(job="before")).failures
    before = [slot.pid for slot in pool.stats()]
    outcomes = run(pool, make_batch(tasks=3, acts={"fork and exit": ([], status)}))
    assert not outcomes.failures
    assert outcomes.indices() == [0, 1, 2]
    assert [slot.pid for slot in pool.stats()] == before


# A slot that is forked from this very process writes to what pytest has put in its place.
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"], indirect=True)
def test_a_child_that_raises_shows_its_own_traceback_and_nothing_of_the_slot(
    make_pool: Callable[..., Pool], capfd: pytest.CaptureFixture[str]
) -> None:
    outcomes = run(make_pool(1), make_batch(tasks=2, acts={"fork and raise": ([0], "lost child")}))
    assert not outcomes.failures
    shown = capfd.readouterr().err
    assert "LookupError: lost child" in shown
    assert "run_piece" not in shown
