"""What a user's functions say through ``headrace.current_task()``, as the command line shows it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncCluster
from headrace.cli.log_lines import read_log
from headrace.pool import Pool
from headrace_services.calls import plan_map
from support.commands import COMMAND_SECONDS, Site, open_site, wait_until

MODULE = """
import pathlib, time, warnings
from headrace import current_task

def search(number):
    task = current_task()
    task.log.info("searching %d", number)
    task.counter("seen").add()
    task.counter("found").add(number / 2)
    if number == 3:
        raise ValueError("three")
    return task.index, task.attempt

def speak(number):
    print("five\\nsix")
    warnings.warn("seven in " + current_task().job)

def follow(folder):
    task, folder = current_task(), pathlib.Path(folder)
    for step in range(1, 4):
        task.report_progress(step * 1000, 4000)
        task.log.warning("step %d", step)
        while not (folder / f"go {step}").exists() and not task.cancelled():
            time.sleep(0.01)
        if task.cancelled():
            task.log.error("cancelled")
            (folder / "tidied").touch()
            return None
    return "all"
"""

PROGRAM = """
import sys
import headrace

def work(number):
    task = headrace.current_task()
    task.log.info("working on %d", number)
    task.counter("worked").add()
    task.report_progress(1, 1)
    return task.index, task.attempt, task.cancelled()

if __name__ == "__main__":
    with headrace.Pool(2) as pool:
        print(pool.map(work, range(3)))
    try:
        headrace.current_task()
    except RuntimeError as error:
        print(error)
"""


# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("tasks")


@contextlib.contextmanager
def open_searching_site(folder: Path) -> Iterator[Site]:
    """A coordinator, and a worker that allows a user's module, with a drain of a second."""
    (folder / "code").mkdir()
    (folder / "code" / "searching.py").write_text(MODULE)
    with open_site(folder, "--http", "127.0.0.1:0", workers=0) as site:
        site.add_worker(
            "--slots", "1", "--path", "code", "--allow", "searching", "--name", "w",
            "--drain", "1s",
        )  # fmt: skip
        yield site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For tests that leave coordinator and worker as they are."""
    with open_searching_site(tmp_path_factory.mktemp("tasks")) as site:
        yield site


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """For tests that do them harm."""
    with open_searching_site(tmp_path) as site:
        yield site


def show(site: Site, job: str) -> dict[str, Any]:
    shown: dict[str, Any] = site.shell.run("job", job, "--json").json()
    return shown


def read_texts(site: Site, job: str) -> list[tuple[int, str]]:
    lines = site.shell.run("logs", job).out.splitlines()
    found = [re.search(r"task (\d+): (.*)", line) for line in lines]
    return [(int(one[1]), one[2]) for one in found if one]


def wait_for_text(site: Site, job: str, index: int, text: str) -> None:
    """Wait until a task has said this."""
    with site.open_cluster() as cluster:
        wait_until(
            lambda: any(
                (line.index, line.text) == (index, text)
                for page in read_log(cluster.engine, job, follow=False)
                for line in page.lines
            )
        )


def wait_for_progress(site: Site, job: str, done: float) -> None:
    """Wait until the only task of a job that runs has got so far."""
    with site.open_cluster() as cluster:
        wait_until(lambda: [one.done for one in cluster.engine.jobs.progress(job, 9)] == [done])


def wait_for_running_job(site: Site) -> str:
    """The id of the one job that runs, as soon as there is one, which the command lists."""
    with site.open_cluster() as cluster:
        wait_until(lambda: any(status.state == "running" for status in cluster.jobs()))
    listed = site.shell.run("jobs", "--json").json()
    (job,) = [one["id"] for one in listed if one["state"] == "running"]
    return str(job)


def read_found(site: Site) -> float:
    """What all tasks have counted as found, as Prometheus reads it."""
    url = site.coordinator.wait_for("metrics at").split("metrics at ")[1]
    with urllib.request.urlopen(url) as answer:
        metrics = answer.read().decode()
    line = 'headrace_user_counts_total{name="found",operation="map",service="calls"} '
    found = [text.removeprefix(line) for text in metrics.splitlines() if text.startswith(line)]
    return float(found[0]) if found else 0.0


def test_lines_and_counters_of_a_job(site: Site) -> None:
    before = read_found(site)
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:search", [1, 2, 3, 4])).id
    assert site.shell.run("results", job).code == 1
    assert sorted(read_texts(site, job)) == [(n - 1, f"searching {n}") for n in (1, 2, 3, 4)]
    assert show(site, job)["counters"] == {"seen": 3, "found": 3.5}
    told = site.shell.run("job", job).out
    assert "counter     seen: 3\n" in told
    assert "counter     found: 3.5\n" in told

    shown = site.shell.run("logs", job, "--json", "--follow")
    assert shown.code == 0
    assert re.fullmatch(
        r'\{"at": "2\d{3}-\d\d-\d\dT[\d:]+\.\d{3}Z", "level": "info", "worker": "w", "task": \d, '
        r'"attempt": 1, "text": "searching \d"\}',
        shown.out.splitlines()[0],
    )

    site.shell.run("retry", job)
    site.shell.run("results", job)
    assert show(site, job)["counters"] == {"seen": 3, "found": 3.5}, "it failed again"
    assert read_found(site) - before == 3.5

    gone = site.shell.run("logs", "nosuchjob")
    assert gone.code != 0
    assert "there is no job 'nosuchjob'" in gone.err


def test_what_a_task_prints_is_in_its_log_and_in_that_of_the_worker(site: Site) -> None:
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:speak", [1])).id
    assert site.shell.run("results", job).code == 0
    shown = site.shell.run("logs", job).out.splitlines()
    lines = [line for line in shown if not line.startswith("    ")]
    assert [line.split()[1] for line in lines] == ["print", "print", "warning"]
    assert lines[1].endswith(" w task 0: six")
    assert lines[2].endswith(f"UserWarning: seven in {job}")
    assert site.workers[0].wait_for(f"job {job} task 0: six")
    assert site.shell.run("logs", job, "--task", "0").out.splitlines() == shown
    unknown = site.shell.run("logs", job, "--task", "0", "--task", "1", "-f")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err == f"headrace: job {job} has no task 1: it has 1 task, numbered from 0\n"


def test_who_follows_a_log_is_told_that_its_job_is_gone(site: Site, tmp_path: Path) -> None:
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:follow", [str(tmp_path)])).id
        follower = site.shell.start("logs", job, "-f")
        assert follower.stdout
        assert "step 1" in follower.stdout.readline()
        cluster.job(job).delete()
    said = follower.communicate(timeout=30)[1]
    assert follower.returncode == 0
    assert said == f"headrace: job {job} is there no more: it was deleted, or has expired\n"


def test_who_submits_sees_what_tasks_print_apart_from_their_results(site: Site) -> None:
    (site.shell.home / "numbers.jsonl").write_text("1\n")
    words = ("submit", "map", "searching:speak", "numbers.jsonl", "--logs")
    done = site.shell.run(*words)
    assert (done.code, done.out) == (0, '{"index": 0, "value": null}\n')
    first, *said, last = [line for line in done.err.splitlines() if not line.startswith("    ")]
    assert first.endswith("is submitted")
    assert [line.split(" ", 1)[1] for line in said[:2]] == [
        "print   w task 0: five", "print   w task 0: six"
    ]  # fmt: skip
    assert "UserWarning: seven" in said[2]
    assert last.startswith("calls searching:speak: 1 task, 0 failed")
    refused = site.shell.run(*words, "--detach")
    assert refused.code == 2
    assert "`headrace logs -f`" in refused.err


def test_programs_have_what_tasks_print(site: Site) -> None:
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:search", [1, 2]))
        followed = [line.text for line in job.logs(follow=True)]
        assert sorted(followed) == ["searching 1", "searching 2"]
        assert [line.text for line in job.logs()] == followed

    async def read() -> list[str]:
        async with AsyncCluster(site.address, key_file=site.data / "key") as cluster:
            awaited = await cluster.job(job.id)
            return [line.text async for line in awaited.logs()]

    assert asyncio.run(read()) == followed


def test_a_task_can_be_followed_while_it_runs(site: Site, tmp_path: Path) -> None:
    folder = tmp_path
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:follow", [str(folder)])).id
    with site.shell.start("logs", job, "-f") as follower:
        assert follower.stdout
        for step in (1, 2):
            assert follower.stdout.readline().endswith(f"warning w task 0: step {step}\n")
            shown = {"task": 0, "worker": "w", "done": 1000.0 * step, "of": 4000.0}
            wait_for_progress(site, job, 1000 * step)
            assert show(site, job)["progress"] == [shown]
            (folder / f"go {step}").touch()
        assert follower.stdout.readline().endswith("step 3\n")
        wait_for_progress(site, job, 3000)
        assert "task 0: 75 % (3,000 of 4,000)" in site.shell.run("job", job).out
        assert follower.poll() is None, "it goes on as long as the job"
        (folder / "go 3").touch()
        assert follower.stdout.read() == ""
        assert follower.wait(30) == 0
    assert show(site, job)["progress"] == []


def test_a_cancelled_task_that_asks_can_tidy_up(site: Site, tmp_path: Path) -> None:
    folder = tmp_path
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:follow", [str(folder)])).id
    wait_for_text(site, job, 0, "step 1")
    site.shell.run("cancel", job)
    wait_until((folder / "tidied").exists)
    wait_for_text(site, job, 0, "cancelled")
    assert read_texts(site, job)[-1] == (0, "cancelled")
    assert show(site, job)["state"] == "cancelled"


def test_a_task_that_asks_is_told_when_its_worker_can_wait_no_longer(own_site: Site) -> None:
    folder = own_site.shell.home
    with own_site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:follow", [str(folder)])).id
    wait_for_text(own_site, job, 0, "step 1")
    own_site.workers[0].send(signal.SIGTERM)
    own_site.workers[0].wait_for("tasks still run after 1 s")
    wait_until((folder / "tidied").exists)
    assert own_site.workers[0].wait() == 0
    status = show(own_site, job)
    assert (status["waiting"], status["done"], status["failed"]) == (1, 0, 0), "it goes back"


def test_lines_and_counters_outlive_a_killed_coordinator(own_site: Site) -> None:
    folder = own_site.shell.home
    with own_site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:search", [2])).id
    own_site.shell.run("results", job)
    with own_site.open_cluster() as cluster:
        running = cluster.submit("calls", plan_map("searching:follow", [str(folder)])).id
    wait_for_text(own_site, running, 0, "step 1")
    own_site.coordinator.kill()
    (folder / "go 1").touch()
    own_site.restart_coordinator()
    assert read_texts(own_site, job) == [(0, "searching 2")]
    assert show(own_site, job)["counters"] == {"seen": 1, "found": 1}
    for step in (2, 3):
        (folder / f"go {step}").touch()
    assert own_site.shell.run("results", running).code == 0
    lines = list(dict.fromkeys(read_texts(own_site, running)))  # a task may run twice
    assert lines == [(0, f"step {step}") for step in (1, 2, 3)]


def test_functions_called_through_a_pool_on_the_cluster_speak_too(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path
    monkeypatch.setenv("HEADRACE_KEY_FILE", str(site.data / "key"))
    with Pool(site.address) as pool:
        assert pool.map("searching:search", [2, 4]) == [(0, 1), (1, 1)]
        result = pool.apply_async("searching:follow", [str(folder)])
        job = wait_for_running_job(site)
        wait_for_text(site, job, 0, "step 1")
        assert read_texts(site, job) == [(0, "step 1")]
        for step in (1, 2, 3):
            (folder / f"go {step}").touch()
        assert result.get(30) == "all"
    assert site.workers[0].wait_for(" task 1: searching 4")


def test_the_lines_of_an_embedded_pool_are_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"], check=True, capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)}, timeout=COMMAND_SECONDS,
    )  # fmt: skip
    values, refusal = done.stdout.splitlines()
    assert values == "[(0, 1, False), (1, 1, False), (2, 1, False)]"
    assert refusal == "current_task() was called outside of a task: no task runs here"
    said = [line for line in done.stderr.splitlines() if "task" in line]
    assert sorted(said) == [f"INFO task {number}: working on {number}" for number in range(3)]
