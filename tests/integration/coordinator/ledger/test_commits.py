"""The ledger: nothing is acknowledged before its commit, and memory is never ahead of the disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from headrace_coordinator.queue.events import Event, JobSubmitted
from headrace_coordinator.store.store import Durability, Store
from headrace_wire.errors import HeadraceError, UnknownJobError
from support.queue_builders import make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from headrace_coordinator.moment import Now
    from headrace_coordinator.queue.queue import Queue
    from support.ledger_rig import LedgerRig


def test_what_is_acknowledged_is_in_the_file(rig: LedgerRig) -> None:
    rig.submit("a")
    assert rig.list_stored() == ["a"]


def test_calls_that_come_together_share_a_commit(rig: LedgerRig) -> None:
    async def submit(job: str) -> None:
        await rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec(job), now))

    async def submit_all() -> None:
        await asyncio.gather(*[submit(f"j{number}") for number in range(9)])

    asyncio.run(submit_all())
    assert rig.commits == 1
    assert len(rig.list_stored()) == 9


def test_what_nobody_waits_for_any_more_is_committed_all_the_same(rig: LedgerRig) -> None:
    async def submit_and_go() -> None:
        call = rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec("a"), now))
        task = asyncio.create_task(call)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec("b"), now))

    asyncio.run(submit_and_go())
    assert rig.list_stored() == ["a", "b"]


def test_one_that_cannot_wait_takes_those_along_that_do(rig: LedgerRig) -> None:
    async def submit_both() -> None:
        call = rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec("a"), now))
        task = asyncio.create_task(call)
        await asyncio.sleep(0)
        rig.submit("b")
        assert rig.list_stored() == ["a", "b"]
        await task

    asyncio.run(submit_both())
    assert rig.commits == 1


def test_an_error_of_one_call_is_its_own(rig: LedgerRig) -> None:
    with pytest.raises(UnknownJobError):
        rig.ledger.commit_now(lambda queue, now: queue.intake.cancel("nonesuch", now))
    rig.submit("a")
    assert rig.list_stored() == ["a"]


def test_a_transition_that_breaks_half_way_leaves_nothing(rig: LedgerRig) -> None:
    def break_down(queue: Queue, now: Now) -> None:
        queue.intake.submit(make_spec("half"), now)
        raise ZeroDivisionError

    rig.submit("a")
    with pytest.raises(Exception, match="its log says why"):
        rig.ledger.commit_now(break_down)
    assert rig.list_jobs() == rig.list_stored() == ["a"]


def test_listeners_hear_of_events_after_the_commit(rig: LedgerRig) -> None:
    heard: list[Event] = []

    def listen(events: object) -> None:
        assert rig.list_stored() == ["a"], "told too early"
        heard.extend(events)  # type: ignore[arg-type] # a sequence of events

    rig.ledger.listen(listen)
    rig.submit("a")
    assert any(isinstance(event, JobSubmitted) for event in heard)


def test_a_fault_in_a_commit_is_told_to_every_call_of_its_group(
    rig: LedgerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.submit("a")

    def fail(*arguments: object) -> None:
        raise KeyError("a fault of our own")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "write", fail)
        with pytest.raises(HeadraceError, match="its log says why"):
            rig.submit("b")
    assert rig.list_jobs() == rig.list_stored() == ["a"]


@pytest.mark.parametrize(("durability", "word"), [("process", 1), ("power", 2)])
def test_durability_sets_what_a_commit_waits_for(
    tmp_path: Path, durability: Durability, word: int
) -> None:
    store = Store(tmp_path / "store", durability)
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (word,)
    store.close()


def test_calls_on_one_job_that_share_a_commit_are_all_in_it(rig: LedgerRig) -> None:
    """Dropping a job's results and deleting it once failed together, and took others with them."""
    rig.submit("old", 0)

    def both(queue: Queue, now: Now) -> None:
        queue.intake.acknowledge("old")
        queue.intake.delete("old")
        queue.intake.submit(make_spec("new"), now)

    rig.ledger.commit_now(both)
    assert rig.list_stored() == rig.list_jobs() == ["new"]
