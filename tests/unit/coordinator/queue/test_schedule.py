"""Whose turn it is, and how much of it."""

from __future__ import annotations

from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.schedule import (
    LEASE_COST_SECONDS,
    SHORT_JOB_SECONDS,
    Turns,
    size_lease,
)
from headrace_wire.messages.jobs import RUNNING, SUCCEEDED
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


def test_of_long_tasks_one_lease_has_one_for_each_free_slot() -> None:
    job = make_job()
    job.mean_seconds = 10.0
    assert [size_lease(job, free_slots, 10_000) for free_slots in (1, 3, 10)] == [1, 3, 10]
    assert size_lease(job, 10, 10_000, waiting_jobs=3) == 3, "jobs that wait share the slots"
    few = make_job(tasks=40)
    few.mean_seconds = 10.0
    assert size_lease(few, 10, 40) == 5, "the other slots have their share of what is left"


def test_few_slots_get_small_leases_of_short_tasks_toward_the_end() -> None:
    job = make_job(tasks=12)
    job.mean_seconds = 0.003
    assert size_lease(job, 2, 4) == 3


def test_toward_the_end_a_worker_far_away_gets_its_part_of_what_is_left_at_once() -> None:
    job = make_job(tasks=80)
    job.mean_seconds = 0.005
    assert size_lease(job, 1, 2, ahead_seconds=0.4, own_slots=2) == 80, "there are no others"
    assert size_lease(job, 1, 8, ahead_seconds=0.4, own_slots=2) == 20, "others have theirs"
    assert size_lease(job, 1, 8, ahead_seconds=0.05, own_slots=2) == 10, "no more than it needs"


def test_of_an_unknown_job_a_worker_far_away_gets_more_within_its_share() -> None:
    job = make_job(tasks=1000)
    assert size_lease(job, 2, 8) == 2
    assert size_lease(job, 2, 8, ahead_seconds=0.2) == 82, "for tasks of 5 ms"
    assert size_lease(job, 2, 8, ahead_seconds=0.4) == 125, "an eighth is left for each slot"
    assert size_lease(make_job(tasks=16), 2, 8, ahead_seconds=0.4) == 2
    assert size_lease(job, 2, 8, waiting_jobs=100, ahead_seconds=0.4) == 1


def test_what_a_worker_says_of_a_job_counts_as_long_as_nothing_else_is_known() -> None:
    job = make_job()
    assert size_lease(job, 2, 2, told_seconds=0.1) == 10
    job.mean_seconds = 0.5
    assert size_lease(job, 2, 2, told_seconds=0.1) == 2


def test_leases_are_small_where_many_jobs_wait_but_worth_handing_out() -> None:
    job = make_job()
    job.mean_seconds = 0.01
    waiting = (1, 16, 32, 160, 10_000)
    assert [size_lease(job, 2, 2, jobs) for jobs in waiting] == [100, 100, 50, 10, 10]
    assert size_lease(job, 2, 1024, 10_000) >= LEASE_COST_SECONDS * 1024 / 0.01


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
        job.number, job.virtual_seconds, job.state = number, seconds, RUNNING
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
    one.state = other.state = RUNNING
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


def test_a_job_of_one_task_is_next_whatever_waits() -> None:
    rig = submit_big_jobs(1000)
    finish_leases(rig, 10)
    rig.submit("small", 1)
    assert "small" in finish_leases(rig, 2)
    finish_leases(rig, 3000)  # all have had something
    rig.submit("another small", 1)
    assert "another small" in finish_leases(rig, 2)


def test_a_short_job_is_done_soon_whatever_waits() -> None:
    rig = submit_big_jobs(1000)
    finish_leases(rig, 10)
    rig.submit("short", 20)
    finish_leases(rig, 42)
    assert rig.status("short").state == SUCCEEDED


def test_a_big_job_that_has_had_nothing_comes_before_those_that_have() -> None:
    rig = submit_big_jobs(100)
    finish_leases(rig, 1000)
    rig.submit("new", 10_000)
    assert "new" in finish_leases(rig, 2)
    # From then on it has no more than the others.
    assert finish_leases(rig, 1000).count("new") < 50


def test_short_jobs_that_come_without_end_leave_the_others_their_turns() -> None:
    rig = submit_big_jobs(10)
    finish_leases(rig, 20)
    before = measure_busy(rig, "big")
    for number in range(200):
        rig.submit(f"short {number}", 1)
        finish_leases(rig, 1)
    assert measure_busy(rig, "big") - before >= measure_busy(rig, "short") / 2


def test_a_job_that_is_fed_little_by_little_is_short_for_a_while_only() -> None:
    rig = submit_big_jobs(1)
    rig.submit("fed", None)
    for number in range(1000):
        rig.put("fed", number, [b"input"])
        finish_leases(rig, 1)
    ahead = measure_busy(rig, "fed") - measure_busy(rig, "big")
    assert ahead <= SHORT_JOB_SECONDS


def test_higher_priority_goes_before_what_is_new_or_short() -> None:
    rig = submit_big_jobs(3)
    finish_leases(rig, 30)
    rig.submit("low", 1, priority=-1)
    assert "low" not in finish_leases(rig, 100)


def submit_big_jobs(jobs: int) -> Rig:
    rig = Rig()
    rig.join()
    for number in range(jobs):
        rig.submit(f"big {number}", 10_000)
    return rig


def measure_busy(rig: Rig, name: str) -> float:
    """Return the seconds that jobs with names that begin like this have had."""
    jobs = rig.queue.state.jobs
    return sum(job.busy_seconds for job in jobs.values() if job.spec.id.startswith(name))


def finish_leases(rig: Rig, leases: int) -> list[str]:
    """Finish so many leases of tasks of a fifth of a second. Returns the jobs in their turns."""
    turns: list[str] = []
    while len(turns) < leases:
        (lease,) = rig.lease(slots=1)
        rig.finish(lease, seconds=0.2)
        turns.append(lease.job)
    return turns
