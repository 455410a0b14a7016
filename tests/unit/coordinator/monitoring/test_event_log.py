"""What the coordinator's log says of tasks that fail for good and of jobs that end."""

from __future__ import annotations

import logging

import pytest

from headrace_coordinator import event_rate
from headrace_coordinator.monitoring.event_log import EventLog, log_events
from headrace_coordinator.queue.events import JobDeleted, LeasesUnproven, TaskDead
from headrace_wire.alike import explain_failure
from headrace_wire.messages.failures import TaskFailure
from support.queue_builders import Rig


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.join()
    rig.submit(tasks=4, retries=0)
    rig.queue.state.drain_events()
    return rig


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "headrace_coordinator.monitoring.event_log")
    return caplog


def make_failure(index: int = 0, message: str = "no") -> TaskFailure:
    return TaskFailure(
        1, "job", index, 3, "crash", "SIGSEGV", "", message, "", "", "w", 0.0, 0.0
    )  # fmt: skip


def test_a_task_that_fails_for_good_and_the_job_that_ends_are_a_line_each(
    rig: Rig, log: pytest.LogCaptureFixture
) -> None:
    (lease,) = rig.lease(slots=4)
    rig.finish(lease, 0, 3)
    rig.seconds = 2.5
    rig.fail(lease, 3)
    log_events(rig.queue.state.drain_events())
    death, end = log.messages
    assert (
        death == "job job: task 3 failed for good at attempt 1 on worker w (error): ValueError: no"
    )
    assert end.startswith("job job failed after ")
    assert "3 done, 1 failed, 0 cancelled; 0.300 s CPU in slots" in end


def test_a_job_ends_once_and_again_after_it_was_revived(
    rig: Rig, log: pytest.LogCaptureFixture
) -> None:
    (lease,) = rig.lease(slots=4)
    rig.finish(lease, 0, 3)
    rig.fail(lease, 3)
    rig.retry()
    (again,) = rig.lease(slots=4)
    rig.finish(again)
    rig.finish(again)
    log_events(rig.queue.state.drain_events())
    ends = [line for line in log.messages if "CPU in slots" in line]
    assert [line.split()[2] for line in ends] == ["failed", "succeeded"]


def test_a_job_that_is_cancelled_or_cut_short_ends_too(
    rig: Rig, log: pytest.LogCaptureFixture
) -> None:
    rig.queue.intake.cancel("job", rig.now)
    rig.submit("late", tasks=1, deadline_seconds=1.0)
    rig.seconds = 5.0
    rig.queue.tick(rig.now)
    log_events(rig.queue.state.drain_events())
    ends = [line for line in log.messages if "CPU in slots" in line]
    assert ends[0].startswith("job job cancelled after ")
    assert ends[1].startswith("job late failed after ")
    assert ends[1].endswith(rig.status("late").ended_because)


def test_many_deaths_at_once_are_told_in_few_lines(log: pytest.LogCaptureFixture) -> None:
    log_events([TaskDead(make_failure(index), "primes", "count") for index in range(1000)])
    assert len(log.messages) == 6
    told = "job job: 995 more tasks have failed for good, most often like task 5: "
    assert log.messages[-1] == f"{told}{explain_failure(make_failure(5))}"


def test_a_line_stays_a_line_whatever_a_task_says(log: pytest.LogCaptureFixture) -> None:
    log_events([TaskDead(make_failure(message="a\nb\x1b[31m" + "c" * 5000), "primes", "count")])
    (line,) = log.messages
    assert line.isprintable()
    assert r"(SIGSEGV): a\nb\x1b[31mccc" in line
    assert len(line) < 500


@pytest.mark.parametrize(("key", "who"), [("lab", "w (key lab)"), ("", "w")])
def test_leases_that_are_not_proven_are_told_with_the_key(
    log: pytest.LogCaptureFixture, key: str, who: str
) -> None:
    log_events([LeasesUnproven("w", key, 2)])
    (line,) = log.messages
    assert line.startswith(f"worker {who} claims 2 leases from before")


def test_what_anybody_causes_as_often_as_they_like_fills_no_disk(
    log: pytest.LogCaptureFixture,
) -> None:
    seconds = 0.0
    written = EventLog(lambda: seconds)
    for _ in range(10_000):  # 1000 a second
        written.note([JobDeleted("job"), JobDeleted("job")])
        seconds += 0.002
    most = event_rate.LINES_AT_ONCE + 2 * 20 * event_rate.LINES_PER_SECOND
    assert event_rate.LINES_AT_ONCE < len(log.messages) <= most + 2
    told = [line for line in log.messages if "left out" in line]
    assert len(told) >= 90
    seconds += 60.0
    written.note([JobDeleted("job")])
    assert log.messages[-1] == "job job is deleted"
    left_out = sum(int(line.split()[0]) for line in log.messages if "left out" in line)
    assert left_out + sum("deleted" in line for line in log.messages) == 20_001


def test_one_kind_of_events_takes_no_lines_from_another(log: pytest.LogCaptureFixture) -> None:
    written = EventLog(lambda: 0.0)
    written.note([JobDeleted("job")] * 1000)
    written.note([TaskDead(make_failure(), "primes", "count")])
    assert "task 0 failed for good" in log.messages[-1]
