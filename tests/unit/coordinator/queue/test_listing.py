"""Jobs are listed in pages, without what would make them large."""

from __future__ import annotations

from math import inf
from typing import Any

from msgspec.structs import replace

from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.time_counts import TimeCounts
from headrace_wire.api import TIMES_KEPT
from headrace_wire.messages.job_views import TIME_BOUNDS, TaskTime
from headrace_wire.messages.jobs import CANCELLED, DATA_SERVICE, QUEUED, JobFilter, JobSpec
from headrace_wire.messages.reports import DoneSpan
from headrace_wire.samples import TASK_SECONDS_BOUNDS
from support.queue_builders import Rig, make_spec


def list_ids(rig: Rig, before: float, most: int) -> list[str]:
    return [status.id for status in rig.queue.intake.list_jobs(before, most, rig.now)]


def test_pages_go_from_the_newest_job_to_the_oldest_one() -> None:
    rig = Rig()
    for number in range(5):
        rig.submit(f"job {number}")
    first = rig.queue.intake.list_jobs(inf, 2, rig.now)
    assert [status.id for status in first] == ["job 4", "job 3"]
    assert list_ids(rig, first[-1].number, 2) == ["job 2", "job 1"]
    rig.queue.intake.delete("job 3")
    assert list_ids(rig, first[-1].number, 10) == ["job 2", "job 1", "job 0"]
    assert list_ids(rig, rig.status("job 0").number, 10) == []


def test_a_job_has_its_number_again_when_it_is_put_back() -> None:
    rig = Rig()
    for number in range(4):
        rig.submit(f"job {number}")  # at the same time as the wall's clock goes
    rig.seconds += 10  # and it is set back
    rig.submit("late")
    numbers = {job.spec.id: job.number for job in rig.queue.state.jobs.values()}
    again = Rig()
    for job in rig.queue.state.jobs.values():
        again.queue.restore(job, (), again.now)
    assert {job.spec.id: job.number for job in again.queue.state.jobs.values()} == numbers
    assert len(set(numbers.values())) == 5


def test_a_list_has_no_parameters() -> None:
    rig = Rig()
    rig.submit(parameters=bytes(1000))
    (listed,) = rig.queue.intake.list_jobs(inf, 10, rig.now)
    assert listed.parameters == b""
    assert rig.status().parameters == bytes(1000)


def test_only_those_that_are_chosen_are_listed() -> None:
    rig = Rig()
    for number in range(4):
        rig.submit(f"job {number}")
        rig.seconds += 10
    rig.queue.intake.cancel("job 1", rig.now)
    rig.queue.intake.cancel("job 2", rig.now)

    def choose(**chosen: Any) -> list[str]:
        found = rig.queue.intake.list_jobs(inf, 10, rig.now, chosen=JobFilter(**chosen))
        return [status.id for status in found]

    assert choose(states=(CANCELLED,)) == ["job 2", "job 1"]
    assert choose(states=(CANCELLED, QUEUED), limit=3) == ["job 3", "job 2", "job 1"]
    assert choose(service="nonesuch") == []
    assert choose(service=rig.status("job 0").service, limit=1) == ["job 3"]
    times = {name: rig.status(name).submitted_at for name in choose()}
    middle = sorted(times.values())[2]
    assert choose(since=middle) == [name for name in times if times[name] >= middle]
    assert choose(since=max(times.values()) + 1) == []


def test_jobs_are_found_by_what_is_said_of_them_and_who_submitted_them() -> None:
    rig = Rig()
    intake = rig.queue.intake
    intake.submit(make_spec("first", name="Nightly Primes", operation="find"), rig.now, "alice")
    intake.submit(make_spec("second", function="shop:price"), rig.now, "bob")
    intake.submit(make_spec("kept-data", service=DATA_SERVICE), rig.now, "bob")

    def choose(**chosen: Any) -> list[str]:
        found = intake.list_jobs(inf, 10, rig.now, chosen=JobFilter(**chosen))
        assert intake.count_jobs(JobFilter(**chosen, limit=1)) == len(found)
        return [status.id for status in found]

    assert choose(text="nightly") == ["first"]
    assert choose(text="SHOP:") == ["second"]
    assert choose(text="primes") == ["second", "first"], "a service, too"
    assert choose(text="fin") == choose(text="irst") == ["first"], "an operation, or a part of it"
    assert choose(text="primes", submitted_by="alice") == ["first"]
    assert choose(submitted_by="bob") == ["second"]
    assert choose(submitted_by="carol") == []
    assert choose() == ["second", "first"]
    assert intake.count_jobs(JobFilter(), "bob") == 1
    assert intake.count_jobs(JobFilter(submitted_by="alice"), "bob") == 0


def test_a_job_is_found_by_the_beginning_of_its_id() -> None:
    rig = Rig()
    for job in ("abc1", "abd2", "abd"):
        rig.submit(job)
    match = rig.queue.intake.match
    assert match("abc") == ["abc1"]
    assert match("ab") == ["abd", "abd2", "abc1"]
    assert match("abd") == ["abd"], "the one that is so"
    assert match("x") == []


def test_task_times_are_counted_by_how_long_they_are() -> None:
    rig = Rig()
    rig.join()
    rig.submit(tasks=20, retries=1)
    job = rig.queue.state.jobs["job"]
    times = job.times

    def show() -> dict[float, int]:
        shown = times.show()
        assert len(shown.counts) == len(shown.upper_seconds) + 1
        bounds = [*shown.upper_seconds, inf]
        return {bound: n for bound, n in zip(bounds, shown.counts, strict=True) if n}

    assert show() == {}
    (lease,) = rig.lease(slots=1)
    rig.finish(lease, 0, 1, seconds=0.001)
    assert show() == {0.001: 1}, "a bound belongs to what is below it"
    span = DoneSpan(1, "job", 1, 3, b"", 0.1, 2.0 * 10**6)
    times.add_span(span, 2)
    assert show() == {0.001: 1, inf: 2}, "two tasks between two reports, of which it knows the mean"
    (lease, *_) = rig.lease(slots=1)
    rig.fail(lease, lease.start)
    assert sum(show().values()) == 3, "no time is known of this failure"


def test_each_task_of_a_span_counts_with_its_own_time() -> None:
    durations = [0] * (len(TASK_SECONDS_BOUNDS) + 1)
    durations[0], durations[2], durations[-1] = 3, 2, 1
    span = DoneSpan(1, "job", 0, 6, b"", 0.1, 4000.0, durations=tuple(durations))
    times = TimeCounts()
    times.add_span(span, 6)
    shown = times.show()
    counted = dict(zip([*shown.upper_seconds, inf], shown.counts, strict=True))
    assert {bound: n for bound, n in counted.items() if n} == {0.001: 3, 0.005: 2, inf: 1}
    # What does not fit the span is not believed, and of a part of it the mean is all that is known.
    for tasks, told in ((6, (1, 2)), (6, (9, *durations[1:])), (2, tuple(durations))):
        times = TimeCounts()
        times.add_span(replace(span, durations=told), tasks)
        assert sum(times.counts) == tasks
        assert times.counts[TIME_BOUNDS.index(1200.0)] == tasks


def test_the_tasks_that_took_longest_are_remembered() -> None:
    job = Job(JobSpec("j", "s", "o", b"", 100), 0.0)
    for index in range(3 * TIMES_KEPT):
        seconds = float(index * 7 % 60)
        job.learn_seconds(DoneSpan(1, "j", index, index + 1, b"", 0.1, seconds), "w", 1)
    assert [seconds for seconds, _ in job.slowest] == [float(n) for n in range(40, 60)]
    assert {time.worker for _, time in job.slowest} == {"w"}
    job.learn_seconds(DoneSpan(1, "j", 60, 62, b"", 0.1, 200.0), "w", 3)
    assert job.slowest[-1][1] == TaskTime(60, 62, "w", 0.1, 200.0, 3)
