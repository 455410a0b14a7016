"""What a user's functions say through ``headrace.current_task()``, as the command line shows it."""

from __future__ import annotations

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

from headrace.pool import Pool
from headrace_services.calls import plan_map
from support.commands import COMMAND_SECONDS, Site, open_site, wait_until

MODULE = """
import pathlib, time
from headrace import current_task

def search(number):
    task = current_task()
    task.log.info("searching %d", number)
    task.counter("seen").add()
    task.counter("found").add(number / 2)
    if number == 3:
        raise ValueError("three")
    return task.index, task.attempt

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


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A coordinator, and a worker that allows a user's module, with a drain of a second."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "searching.py").write_text(MODULE)
    with open_site(tmp_path, "--http", "127.0.0.1:0", workers=0) as site:
        site.add_worker(
            "--slots", "1", "--path", "code", "--allow", "searching", "--name", "w",
            "--drain", "1s",
        )  # fmt: skip
        yield site


def show(site: Site, job: str) -> dict[str, Any]:
    shown: dict[str, Any] = site.shell.run("job", job, "--json").json()
    return shown


def read_texts(site: Site, job: str) -> list[tuple[int, str]]:
    lines = site.shell.run("logs", job).out.splitlines()
    found = [re.search(r"task (\d+): (.*)", line) for line in lines]
    return [(int(one[1]), one[2]) for one in found if one]


def test_lines_and_counters_of_a_job(site: Site) -> None:
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
        r'"text": "searching \d"\}',
        shown.out.splitlines()[0],
    )

    site.shell.run("retry", job)
    site.shell.run("results", job)
    assert show(site, job)["counters"] == {"seen": 3, "found": 3.5}, "it failed again"
    url = site.coordinator.wait_for("metrics at").split("metrics at ")[1]
    with urllib.request.urlopen(url) as answer:
        metrics = answer.read().decode()
    line = 'headrace_user_counts_total{name="found",operation="map",service="calls"} 3.5'
    assert line in metrics.splitlines()

    gone = site.shell.run("logs", "nosuchjob")
    assert gone.code != 0
    assert "there is no job 'nosuchjob'" in gone.err


def test_a_task_can_be_followed_while_it_runs(site: Site) -> None:
    folder = site.shell.home
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:follow", [str(folder)])).id
    with site.shell.start("logs", job, "-f") as follower:
        assert follower.stdout
        for step in (1, 2):
            assert follower.stdout.readline().endswith(f"warning w task 0: step {step}\n")
            shown = {"task": 0, "worker": "w", "done": 1000.0 * step, "of": 4000.0}
            wait_until(lambda shown=shown: show(site, job)["progress"] == [shown])  # type: ignore[misc] # of this round
            (folder / f"go {step}").touch()
        assert follower.stdout.readline().endswith("step 3\n")
        wait_until(lambda: "task 0: 75 % (3,000 of 4,000)" in site.shell.run("job", job).out)
        assert follower.poll() is None, "it goes on as long as the job"
        (folder / "go 3").touch()
        assert follower.stdout.read() == ""
        assert follower.wait(30) == 0
    assert show(site, job)["progress"] == []


def test_a_cancelled_task_that_asks_can_tidy_up(site: Site) -> None:
    folder = site.shell.home
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:follow", [str(folder)])).id
    wait_until(lambda: read_texts(site, job))
    site.shell.run("cancel", job)
    wait_until((folder / "tidied").exists)
    wait_until(lambda: read_texts(site, job)[-1] == (0, "cancelled"))
    assert show(site, job)["state"] == "cancelled"


def test_a_task_that_asks_is_told_when_its_worker_can_wait_no_longer(site: Site) -> None:
    folder = site.shell.home
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:follow", [str(folder)])).id
    wait_until(lambda: read_texts(site, job))
    site.workers[0].send(signal.SIGTERM)
    site.workers[0].wait_for("tasks still run after 1 s")
    wait_until((folder / "tidied").exists)
    assert site.workers[0].wait() == 0
    status = show(site, job)
    assert (status["waiting"], status["done"], status["failed"]) == (1, 0, 0), "it goes back"


def test_lines_and_counters_outlive_a_killed_coordinator(site: Site) -> None:
    folder = site.shell.home
    with site.open_cluster() as cluster:
        job = cluster.submit("calls", plan_map("searching:search", [2])).id
    site.shell.run("results", job)
    with site.open_cluster() as cluster:
        running = cluster.submit("calls", plan_map("searching:follow", [str(folder)])).id
    wait_until(lambda: read_texts(site, running))
    site.coordinator.kill()
    (folder / "go 1").touch()
    site.restart_coordinator()
    assert read_texts(site, job) == [(0, "searching 2")]
    assert show(site, job)["counters"] == {"seen": 1, "found": 1}
    for step in (2, 3):
        (folder / f"go {step}").touch()
    assert site.shell.run("results", running).code == 0
    lines = list(dict.fromkeys(read_texts(site, running)))  # a task may run twice
    assert lines == [(0, f"step {step}") for step in (1, 2, 3)]


def test_functions_called_through_a_pool_on_the_cluster_speak_too(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = site.shell.home
    monkeypatch.setenv("HEADRACE_KEY_FILE", str(site.data / "key"))
    with Pool(site.address) as pool:
        assert pool.map("searching:search", [2, 4]) == [(0, 1), (1, 1)]
        result = pool.apply_async("searching:follow", [str(folder)])
        wait_until(lambda: "running" in site.shell.run("jobs").out)
        (listed,) = site.shell.run("jobs", "--json").json()
        wait_until(lambda: read_texts(site, listed["id"]) == [(0, "step 1")])
        for step in (1, 2, 3):
            (folder / f"go {step}").touch()
        assert result.get(30) == "all"
    assert site.workers[0].wait_for("INFO task 1: searching 4")


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
