"""Tasks that fail for good: what people see of them, and how they run again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.cluster import Cluster
from headrace.job import Job
from headrace.submission import SubmitOptions
from headrace_wire.messages.jobs import FAILED, SUCCEEDED
from support.commands import Site, open_site
from support.probe.headrace_probe import plan

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("dead")

TASKS = 12


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("dead")) as opened:
        yield opened


def run(cluster: Cluster, folder: Path, **behaviour: object) -> Job:
    """Run a job of the probe service to its end."""
    job = cluster.submit("probe", plan(TASKS, folder, **behaviour), SubmitOptions(retries=None))
    list(job.values(ordered=False))
    return job


def count_starts(folder: Path, index: int) -> int:
    return len(list(folder.glob(f"{index}-*")))


def test_a_poison_task_is_quarantined_and_everything_else_is_done(
    site: Site, cluster: Cluster, tmp_path: Path
) -> None:
    job = run(cluster, tmp_path, crash=[7])
    assert (job.status.state, job.status.done, job.status.failed) == (FAILED, TASKS - 1, 1)
    assert count_starts(tmp_path, 7) == 3, "each attempt in a slot of its own"
    for index in set(range(TASKS)) - {7}:  # a value that died with its slot is made again
        assert 1 <= count_starts(tmp_path, index) <= 3
    short = site.shell.run("dead", "list", job.id[:8])
    assert re.fullmatch(
        r"task 7 \(worker-0, \d+\.\d\d s\): act 7: crash \(SIGSEGV\).*\n", short.out
    )
    listed = site.shell.run("dead", "list", job.id, "--traceback")
    assert listed.code == 0
    title, summary, reason, attempts, worker, took = listed.out.splitlines()
    assert (title, summary) == ("task 7", "  input     act 7")
    assert reason.startswith("  reason    crash (SIGSEGV)")
    assert (attempts, worker) == ("  attempts  3", "  worker    worker-0")
    assert took.startswith("  took      ")
    (shown,) = site.shell.run("dead", "list", job.id, "--json").json()
    assert (shown["index"], shown["reason"], shown["signal"]) == (7, "crash", "SIGSEGV")
    assert (shown["attempt"], shown["worker"], shown["summary"]) == (3, "worker-0", "act 7")


def test_an_error_is_shown_with_its_traceback(site: Site, cluster: Cluster, tmp_path: Path) -> None:
    job = run(cluster, tmp_path, fail=[3])
    assert site.shell.run("dead", "list", job.id).out.count("\n") == 1
    listed = site.shell.run("dead", "list", job.id, "--traceback").out
    assert "  reason    error: " in listed
    assert "task 3 was told to fail" in listed
    assert "Traceback (most recent call last)" in listed
    assert "headrace_probe.py" in listed


def test_dead_tasks_run_again_and_the_results_are_whole(
    site: Site, cluster: Cluster, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    job = run(cluster, tmp_path, fail=[3, 5], unless=str(mended))
    first = site.shell.run("results", job.id)
    assert first.code == 1
    assert "dead replay" in first.err
    mended.touch()
    replayed = site.shell.run("dead", "replay", job.id, "3", "5")
    assert replayed.code == 0
    done = site.shell.run("results", job.id)
    assert (done.code, done.out) == (0, f"{sum(index**2 for index in range(TASKS))}\n")
    assert cluster.job(job.id).status.state == SUCCEEDED
    assert "no dead tasks" in site.shell.run("dead", "list", job.id).err


def test_replaying_what_is_not_dead_is_refused_in_one_line(
    site: Site, cluster: Cluster, tmp_path: Path
) -> None:
    job = run(cluster, tmp_path, fail=[3])
    refused = site.shell.run("dead", "replay", job.id, "3", "4")
    assert refused.code == 2
    assert refused.err.startswith(f"headrace: task 4 of job {job.id} is not dead")
    assert cluster.job(job.id).replay([]).failed == 1, "no task is named, so none runs again"
    assert cluster.jobs(states=[]) == ()
    missing = site.shell.run("dead", "list", "nonesuch")
    assert (missing.code, missing.err.count("\n")) == (2, 1)


def test_errors_are_tried_again_after_their_delay(cluster: Cluster, tmp_path: Path) -> None:
    options = SubmitOptions(retries=2, retry_delay_seconds=0.05)
    job = cluster.submit("probe", plan(2, tmp_path, fail=[1]), options)
    list(job.values(ordered=False))
    (failure,) = job.failures()
    (group,) = job.failure_groups()
    assert (group.count, group.first, group.message) == (1, failure.index, failure.message)
    assert sum(job.task_times().counts) == 4, "attempts count, not tasks"
    assert [run.state for run in job.task_runs().runs].count("dead") == 1
    assert job.task_runs(failure.index, failure.index + 1).runs[0].state == "dead"
    assert (failure.index, failure.attempt, failure.reason) == (1, 3, "error")


def test_a_job_is_shown_as_json_with_its_failures(
    site: Site, cluster: Cluster, tmp_path: Path
) -> None:
    job = run(cluster, tmp_path, fail=[3])
    shown = json.loads(site.shell.run("job", job.id, "--json").out)
    assert [failure["index"] for failure in shown["failures"]] == [3]
