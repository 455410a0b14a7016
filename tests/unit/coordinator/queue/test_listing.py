"""Jobs are listed in pages, without what would make them large."""

from __future__ import annotations

from math import inf

from support.queue_builders import Rig


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
