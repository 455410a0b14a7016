"""Whose turn it is, and how much of it."""

from __future__ import annotations

from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.schedule import LEASE_COST_SECONDS, Turns, size_lease
from support.queue_builders import Rig, make_spec


def make_job(job: str = "job", tasks: int = 100_000, **fields: object) -> Job:
    made = Job(spec=make_spec(job, tasks, **fields), submitted_at=0.0, tasks=tasks)
    made.fresh.add(0, tasks)
    return made


def test_a_lease_of_short_tasks_keeps_all_slots_busy_while_the_next_is_handed_out() -> None:
    job = make_job(tasks=1000)
    job.mean_seconds = 0.001
    all_slots = 128
    tasks = size_lease(job, 2, all_slots)
    assert tasks * job.mean_seconds >= LEASE_COST_SECONDS * all_slots
    # A share of what waits would have been fewer.
    assert tasks > 1000 * 2 / all_slots


def test_a_lease_of_long_tasks_is_small_toward_the_end() -> None:
    job = make_job(tasks=200)
    job.mean_seconds = 0.1
    assert [size_lease(job, 2, all_slots) for all_slots in (2, 8, 128)] == [10, 10, 2]


def test_few_slots_get_small_leases_of_short_tasks_toward_the_end() -> None:
    job = make_job(tasks=12)
    job.mean_seconds = 0.003
    assert size_lease(job, 2, 4) == 3


def test_turns_go_by_priority_then_by_who_is_behind_then_by_who_came_first() -> None:
    turns = Turns()
    jobs = [
        make_job("late"),
        make_job("behind"),
        make_job("urgent", priority=1),
        make_job("first"),
        make_job("second"),
    ]
    for number, seconds in enumerate((9.0, 1.0, 50.0, 2.0, 2.0)):
        job = jobs[number]
        job.number, job.virtual_seconds = number, seconds
        turns.place(job)
    order: list[str] = []
    while picked := turns.pick(lambda _: True):
        order.append(picked.spec.id)
        picked.fresh.remove(0, picked.tasks)
    assert order == ["urgent", "behind", "first", "second", "late"]
    assert not any(job.spec.id in turns for job in jobs)


def test_a_job_whose_virtual_time_went_on_is_placed_behind() -> None:
    turns = Turns()
    one, other = make_job("one"), make_job("other")
    other.number = 1
    turns.place(one)
    turns.place(other)
    one.virtual_seconds = 1.0
    turns.place(one)
    assert turns.pick(lambda _: True) is other
    assert turns.pick(lambda _: False) is None
    assert turns.pick(lambda job: job is one) is one


def test_a_job_that_was_cancelled_and_retried_gets_its_turn() -> None:
    rig = Rig()
    rig.join()
    rig.submit("a", 10)
    rig.submit("b", 10)
    rig.lease()
    rig.queue.intake.cancel("a", rig.now)
    rig.retry("a")
    assert {lease.job for _ in range(10) for lease in rig.lease()} == {"a", "b"}
