"""Tasks that fail, crash, overrun or are cancelled, and what a client gets of their job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace_wire.messages.jobs import CANCELLED, FAILED
from support.commands import Site, wait_until
from support.probe.headrace_probe import plan
from support.probe_jobs import drain, submit

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.cluster import Cluster

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("failed_tasks")

#: Seconds for what a site is asked to do.
LIMIT = 30.0


def test_failed_tasks_are_named_and_retried(site: Site, cluster: Cluster) -> None:
    job = submit(cluster, plan(10, fail=[3, 7]))
    assert len(drain(job)) == 8
    assert (job.refresh().state, job.status.failed) == (FAILED, 2)
    first = next(job.failures())
    assert (first.index, first.reason, first.error_type) == (3, "error", "ArithmeticError")
    assert first.worker == "worker-0"
    assert "told to fail" in first.message
    shown = site.shell.run("results", job.id)
    assert shown.code == 1
    assert shown.err.count("told to fail") == 2
    assert site.shell.run("retry", job.id, "--json").json()["state"] in ("queued", "running")
    assert len(drain(job)) == 8


def test_a_task_that_crashes_is_reported_with_its_signal(cluster: Cluster) -> None:
    job = submit(cluster, plan(5, crash=[2]))
    assert sorted(drain(job)) == [0, 1, 3, 4]
    (failure,) = job.failures()
    assert (failure.index, failure.reason, failure.signal) == (2, "crash", "SIGSEGV")
    assert failure.attempt == 3


def test_a_task_over_its_time_limit_is_killed_alone(cluster: Cluster) -> None:
    job = submit(cluster, plan(5, hang=[1]), timeout_seconds=0.3)
    assert sorted(drain(job)) == [0, 2, 3, 4]
    (failure,) = job.failures()
    assert (failure.index, failure.reason) == (1, "timeout")


def test_cancelling_stops_running_tasks_too(cluster: Cluster, tmp_path: Path) -> None:
    job = submit(cluster, plan(4, tmp_path, hang=[0, 1, 2, 3]))
    wait_until(lambda: list(tmp_path.iterdir()))
    assert job.cancel().state == CANCELLED
    assert drain(submit(cluster, plan(3))) == {0: b"0", 1: b"1", 2: b"4"}, "the slot is free again"


def test_failed_tasks_are_paged_by_their_index(cluster: Cluster) -> None:
    job = submit(cluster, plan(10, fail=[3, 7, 9]))
    job.wait(LIMIT)
    results = cluster.engine.results
    pages = [results.failures(job.id, start, 2) for start in (0, 4, 8, 10)]
    assert [[failure.index for failure in page] for page in pages] == [[3, 7], [7, 9], [9], []]
    assert [failure.index for failure in job.failures()] == [3, 7, 9]


def test_values_of_a_job_with_gaps_come_in_order_when_it_has_ended(cluster: Cluster) -> None:
    job = submit(cluster, plan(6, fail=[0, 2, 5]))
    job.wait(LIMIT)
    values = {index: str(index * index).encode() for index in (1, 3, 4)}
    assert list(job.values(ordered=True)) == list(values.items())
