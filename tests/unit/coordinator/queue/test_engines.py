"""Workers whose tasks run on other clusters: what they are leased, and how many slots they have."""

from __future__ import annotations

from msgspec.structs import replace

from headrace_coordinator.queue.events import JobUnschedulable
from headrace_coordinator.queue.unschedulable import UNSCHEDULABLE_SECONDS, note_unschedulable
from support.queue_builders import Rig, make_worker


def join(rig: Rig, engine: str, worker: str = "w", slots: int = 4, limit: str = "its own") -> None:
    info = replace(make_worker(worker, slots), engine=engine, slots_limit=limit)
    rig.queue.leasing.register(info, (), rig.now)


def test_an_engine_that_cannot_kill_is_leased_no_task_with_a_limit() -> None:
    rig = Rig()
    join(rig, "dask")
    rig.submit(timeout_seconds=5.0)
    assert rig.lease() == []
    why = rig.status().waiting_for
    assert why.startswith("its tasks have a time limit, which the connected workers cannot keep")
    assert "(their engine is dask)" in why
    rig.submit("free", tasks=2)
    assert {lease.job for lease in rig.lease()} == {"free"}
    join(rig, "pool", "another")
    assert {lease.job for lease in rig.lease("another")} >= {"job"}
    assert rig.status().waiting_for == ""


def test_an_engine_that_kills_is_leased_tasks_with_a_limit() -> None:
    rig = Rig()
    join(rig, "ray")
    rig.submit(timeout_seconds=5.0)
    assert {lease.job for lease in rig.lease()} == {"job"}


def test_an_engine_that_is_not_known_keeps_no_limit() -> None:
    rig = Rig()
    join(rig, "abacus")
    rig.submit(timeout_seconds=5.0)
    assert rig.lease() == []


def test_a_job_whose_limit_nobody_can_keep_is_told_in_the_log() -> None:
    rig = Rig()
    join(rig, "dask")
    rig.submit(timeout_seconds=5.0)
    rig.queue.state.drain_events()
    note_unschedulable(rig.queue.state, rig.now)
    rig.seconds += UNSCHEDULABLE_SECONDS
    note_unschedulable(rig.queue.state, rig.now)
    (told,) = [one for one in rig.queue.state.drain_events() if isinstance(one, JobUnschedulable)]
    assert told.why == rig.status().waiting_for


def test_a_job_whose_workers_have_no_slots_waits_for_those() -> None:
    rig = Rig()
    join(rig, "dask", slots=0, limit="the Dask cluster at tcp://host:1 has no workers: start some")
    rig.submit()
    assert rig.status().waiting_for == (
        "the connected workers that can do it have no slots at present: "
        "the Dask cluster at tcp://host:1 has no workers: start some"
    )
    join(rig, "dask", slots=4)
    assert rig.status().waiting_for == ""


def test_a_job_whose_tasks_are_held_by_workers_that_have_no_slots_any_more_waits_for_those() -> (
    None
):
    rig = Rig()
    join(rig, "dask")
    rig.submit(tasks=2)
    assert rig.lease()
    assert rig.status().waiting_for == ""
    join(rig, "dask", slots=0, limit="the Dask cluster at tcp://host:1 does not answer")
    assert rig.status().waiting_for == (
        "the workers that hold its tasks have no slots at present: "
        "the Dask cluster at tcp://host:1 does not answer"
    )
    join(rig, "dask", slots=1)
    assert rig.status().waiting_for == ""


def test_a_worker_that_registers_again_may_have_other_slots() -> None:
    rig = Rig()
    join(rig, "dask", slots=4)
    join(rig, "pool", "another", slots=2)
    assert rig.queue.state.slots == 6
    join(rig, "dask", slots=0)
    assert rig.queue.state.slots == 2
    join(rig, "dask", slots=9)
    assert rig.queue.state.slots == 11
    assert {one.name: one.slots for one in rig.queue.leasing.statuses(rig.now)} == {
        "w": 9,
        "another": 2,
    }
    rig.queue.leasing.leave("w", rig.now)
    assert rig.queue.state.slots == 2
