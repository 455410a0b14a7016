"""What rows of jobs and workers say."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from msgspec.structs import replace

from headrace_coordinator.web.filters import EVENT_STATES
from headrace_coordinator.web.overview_page import EVENTS_SHOWN, condense
from headrace_coordinator.web.rows import job_fields, worker_fields
from headrace_coordinator.web.worker_page import list_slots
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.views import ClusterEvent, JobEventKind, WorkerEventKind, WorkerView
from headrace_wire.messages.workers import RunningTask, WorkerStatus
from support.page_figures import CROWD

JOB = JobStatus(
    id="0123456789abcdef", state="running", service="primes", operation="count", name="",
    priority=0, parameters=b"", tasks=100, sealed=True, waiting=60, leased=10, retrying=0, done=20,
    failed=10, cancelled=0, retries=None, timeout_seconds=None, deadline_seconds=None,
    cpu_seconds=0.0, busy_seconds=0.0, bytes_in=0, bytes_out=0, submitted_at=1000.0,
    started_at=1000.0, finished_at=None, wall_seconds=10.0, results_kept=True, waiting_for="",
    ended_because="", done_per_second=2.0,
)  # fmt: skip

WORKER = WorkerStatus(
    id="w1", name="atlas", host="node", process=1, slots=4, slots_limit="quota",
    start_method="forkserver", version="0.2.0", engines={}, cores=4.0, memory_limit_bytes=0,
    python="3.11", engine="pool", busy=1, leased=1, done=0, failed=0, cpu_seconds=0.0,
    rss_bytes=1000, connected_at=0.0, heard_seconds=1.0, draining=False, cpu_percent=130.0,
)  # fmt: skip


def test_a_job_tells_its_speed_and_the_time_that_is_left() -> None:
    fields = job_fields(JOB)
    assert (fields["rate"], fields["time"], fields["percent"]) == ("2/s", "35 s left", "20 %")
    assert fields["bar"] == [
        ("done", 0.2), ("dead", 0.1), ("retrying", 0.0), ("leased", 0.1), ("cancelled", 0.0)
    ]  # fmt: skip
    assert (fields["name"], fields["about"]) == ("primes count", "0123456789ab")


@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        ({"sealed": False}, "counted", "20 of 100 so far"),
        ({"sealed": False}, "percent", ""),
        ({"waiting_for": "no worker"}, "note", "no worker"),
        ({"state": "failed", "wall_seconds": 75.0}, "time", "1 min 15 s"),
        ({"state": "failed", "wall_seconds": 4.0}, "rate", "5/s"),
        ({"done_per_second": None}, "rate", ""),
        ({"done_per_second": None}, "time", "10 s"),
        ({"done_per_second": 0.0}, "time", "10 s"),
        ({"state": "failed", "expired": True}, "note", "expired: its results are gone"),
        ({"id": "a/b?", "name": "x"}, "href", "/jobs/a%2Fb%3F"),
        ({"tasks": 0, "waiting": 0}, "percent", "0 %"),
    ],
)
def test_a_job_tells_what_is_special_about_it(change: Any, key: str, text: str) -> None:
    assert job_fields(replace(JOB, **change))[key] == text


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "busy"),
        ({"busy": 0}, "idle"),
        ({"draining": True}, "draining"),
        ({"heard_seconds": 20.0}, "silent for 20 s"),
    ],
)
def test_a_worker_tells_what_it_does(change: Any, state: str) -> None:
    fields = worker_fields(replace(WORKER, **change))
    assert (fields["status"], fields["cpu"]) == (state, "1.3")


def test_of_a_flood_of_failed_tasks_the_newest_is_told() -> None:
    flood = [ClusterEvent(n, 0.0, "task-failed", "job", "", f"task {n}") for n in range(90, 0, -1)]
    joined = ClusterEvent(0, 0.0, "worker-joined", "", "w", "2 slots")
    assert condense([*flood, joined]) == [flood[0], joined]
    many = [ClusterEvent(n, 0.0, "job-submitted", str(n), "", "") for n in range(90, 0, -1)]
    assert len(condense(many)) == EVENTS_SHOWN


def test_many_workers_that_come_at_a_time_are_told_by_one() -> None:
    assert [event.text for event in condense(CROWD)] == [
        "2 slots", "2 slots", "2 slots", "submitted", "2 slots, and 199 more workers",
    ]  # fmt: skip


def test_a_slot_leads_to_the_job_that_it_runs_whatever_that_is_called() -> None:
    task = RunningTask("a/b?#", 3, 1, "", 1, 2.0, 0)
    slots = list_slots(WorkerView(WORKER, (task,), ()))
    assert [slot["href"] for slot in slots] == ["/jobs/a%2Fb%3F%23", "", "", ""]


def test_each_kind_of_event_looks_like_a_state() -> None:
    assert EVENT_STATES.keys() == {*get_args(JobEventKind), *get_args(WorkerEventKind)}
