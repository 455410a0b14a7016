"""A compose project whose containers are stopped, replaced, and taken down."""

from __future__ import annotations

import json
import math
import time

import pytest

from support.compose_engine import COMPOSE_MARKS
from support.compose_jobs import PRIMES_BELOW_5E10, submit_count, wait_for_first_result
from support.compose_project import ComposeProject, docker, inspect

pytestmark = COMPOSE_MARKS

#: Seconds that a drained worker may take beyond its running tasks of less than a second each.
STOP_SECONDS = 20.0


def test_stopped_workers_hand_back_what_they_hold(project: ComposeProject) -> None:
    project.start(2)
    job = submit_count(project, "1e12", "2.5e8")
    wait_for_first_result(project, job)
    started = time.monotonic()
    project.compose("stop", "worker")
    assert time.monotonic() - started < STOP_SECONDS
    exits = [inspect(container)["State"] for container in project.list_containers("worker")]
    assert [state["ExitCode"] for state in exits] == [0, 0]
    assert not any(state["OOMKilled"] for state in exits)
    assert project.list_workers() == []
    status = json.loads(project.headrace("job", job, "--json"))
    assert (status["state"], status["leased"], status["failed"]) == ("running", 0, 0)
    project.headrace("cancel", job)


@pytest.mark.parametrize("cpus", [0.5, 1, 1.5])
def test_a_cpu_limit_decides_the_number_of_slots(project: ComposeProject, cpus: float) -> None:
    cores = int(docker("info", "--format", "{{.NCPU}}"))
    if cpus > cores:
        pytest.skip(f"this engine has {cores} core")
    project.start(1, "worker", settings={"HEADRACE_WORKER_CPUS": f"{cpus:g}"})
    [worker] = project.list_workers()
    assert worker["slots"] == min(cores, math.ceil(cpus))
    if cpus < cores:
        assert worker["slots_limit"].startswith("cgroup ")
        assert worker["slots_limit"].split()[-2:] == [f"{cpus:g}", "CPU" if cpus == 1 else "CPUs"]


def test_a_job_is_whole_after_all_was_replaced_as_up_does_after_a_build(
    project: ComposeProject,
) -> None:
    project.start(2)
    before = {job["id"] for job in json.loads(project.headrace("jobs", "--all", "--json"))}
    job = submit_count(project, "5e10", "2.5e8")
    wait_for_first_result(project, job)
    up = ["up", "--detach", "--wait", "--force-recreate", "--scale", "worker=2"]
    project.compose(*up, "coordinator", "worker")
    assert json.loads(project.headrace("job", job, "--json"))["state"] == "running"
    assert project.headrace("results", job) == f"{PRIMES_BELOW_5E10}\n"
    status = json.loads(project.headrace("job", job, "--json"))
    assert (status["state"], status["failed"]) == ("succeeded", 0)
    after = {job["id"] for job in json.loads(project.headrace("jobs", "--all", "--json"))}
    assert after == before | {job}


def test_down_with_volumes_leaves_nothing(project: ComposeProject) -> None:
    coordinator, *_ = project.list_containers("coordinator")
    project.compose("stop", "coordinator")
    assert inspect(coordinator)["State"]["ExitCode"] == 0
    project.compose("down", "--volumes")
    assert project.list_leftovers() == []
