"""Workers of a compose project: as many as are wanted, and taken away once they are drained."""

from __future__ import annotations

import json

from support.compose_engine import COMPOSE_MARKS
from support.compose_project import ComposeProject, inspect, poll

pytestmark = COMPOSE_MARKS


def test_up_waits_until_four_workers_are_connected(project: ComposeProject) -> None:
    project.start(4)
    workers = project.list_workers()
    hosts = {
        inspect(container)["Config"]["Hostname"] for container in project.list_containers("worker")
    }
    assert {worker["host"] for worker in workers} == hosts
    assert len(workers) == 4
    for worker in workers:
        assert worker["engines"]["primes"].startswith("primesieve ")
        assert worker["engines"]["images"].startswith("libvips ")


def test_autoscale_takes_away_what_it_has_drained_and_nothing_else(
    project: ComposeProject,
) -> None:
    project.start(4)
    project.headrace("submit", "primes", "count", "0", "1e7")
    before = {worker["host"] for worker in project.list_workers()}
    project.autoscale("--min", "2", "--max", "8", "--once")
    left = {worker["host"] for worker in project.list_workers()}
    assert left < before
    assert len(left) == 2
    containers = [inspect(container) for container in project.list_containers("worker")]
    assert {container["Config"]["Hostname"] for container in containers} == left
    assert all(container["State"]["Running"] for container in containers)


def test_autoscale_starts_more_beside_those_that_there_are(project: ComposeProject) -> None:
    project.start(2)
    before = set(project.list_containers("worker"))
    job = project.headrace("submit", "primes", "count", "0", "1e12", "--detach").strip()
    try:
        # How long its tasks take is known as soon as some are done.
        poll(lambda: json.loads(project.headrace("job", job, "--json"))["done"], bool)
        project.autoscale("--min", "1", "--max", "3", "--target", "1s", "--once")
        assert before < set(project.list_containers("worker"))
        poll(project.list_workers, lambda workers: len(workers) == 3)
    finally:
        project.headrace("cancel", job)
