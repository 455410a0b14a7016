"""Many tasks run again, a commit after the other, also where their client goes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.revival import REVIVED_AT_ONCE
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.reviver import Reviver
from headrace_coordinator.store.store import Store
from headrace_wire.messages.jobs import CANCELLED, FAILED, QUEUED, JobStatus
from support.queue_builders import make_spec
from support.queue_invariants import check_invariants

TASKS = 8 * REVIVED_AT_ONCE


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One that has a job all of whose tasks are dead."""

    def fail_all(queue: Queue, now: Now) -> None:
        queue.intake.submit(make_spec("job", TASKS), now)
        queue.outcomes.withdraw("job", range(TASKS), kill=True, now=now)

    with closing(Store(tmp_path / "store")) as store:
        made = Ledger(store, Rules(), lambda _: None)
        made.commit_now(fail_all)
        yield made


def look(ledger: Ledger) -> JobStatus:
    def find(queue: Queue, now: Now) -> JobStatus:
        check_invariants(queue.state)
        return queue.intake.status("job", now)

    return ledger.observe(find)


@pytest.mark.parametrize("indices", [None, tuple(range(TASKS))], ids=["all", "named"])
def test_dead_tasks_wait_again(ledger: Ledger, indices: tuple[int, ...] | None) -> None:
    asyncio.run(Reviver(ledger).replay("job", indices))
    status = look(ledger)
    assert (status.state, status.waiting, status.failed) == (QUEUED, TASKS, 0)


def test_where_no_task_is_named_none_waits_again(ledger: Ledger) -> None:
    before = look(ledger)
    asyncio.run(Reviver(ledger).replay("job", ()))
    assert look(ledger) == before


@pytest.mark.parametrize("turns", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("what", ["retry", "replay"])
def test_a_revival_whose_client_goes_does_not_hold_its_job(
    ledger: Ledger, what: str, turns: int
) -> None:
    async def begin_and_go() -> None:
        reviver = Reviver(ledger)
        call = reviver.retry("job") if what == "retry" else reviver.replay("job", None)
        task = asyncio.create_task(call)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(begin_and_go())
    status = look(ledger)
    assert status.failed > 0
    if what == "retry":
        assert status.state in {CANCELLED, FAILED}
    else:
        assert status.waiting + status.failed == TASKS
    ledger.commit_now(lambda queue, now: queue.intake.cancel("job", now))
    asyncio.run(Reviver(ledger).retry("job"))
    status = look(ledger)
    assert (status.state, status.waiting, status.failed) == (QUEUED, TASKS, 0)
