"""What somebody sees who watches a cluster, and how workers are sent away."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest

from headrace import UnknownWorkerError
from headrace_services.calls import plan_map
from headrace_services.primes import plan_count
from headrace_wire.messages.jobs import SUCCEEDED
from support.commands import Process, Site, open_site, wait_until

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("watching")

#: Seconds for a job.
LIMIT = 30.0

FUNCTIONS = """
import os, time

def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    return path
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator and a worker for primes."""
    folder = tmp_path_factory.mktemp("watching")
    (folder / "shop.py").write_text(FUNCTIONS)
    with open_site(folder, workers=0) as opened:
        opened.add_worker("--slots", "1", "--name", "w")
        yield opened


def count_primes(site: Site) -> str:
    """The id of a job that has succeeded."""
    with site.open_cluster() as cluster:
        job = cluster.submit("primes", plan_count(0, 100))
        assert job.wait(LIMIT).state == SUCCEEDED
        return job.id


def test_what_happened_to_a_job_is_shown_even_after_it_is_forgotten(site: Site) -> None:
    job = count_primes(site)
    assert site.shell.run("delete", job).code == 0
    shown = site.shell.run("events", "--job", job)
    kinds = [line.split()[1] for line in shown.out.splitlines()]
    assert kinds == ["job-submitted", "job-started", "job-succeeded", "job-deleted"]
    assert f"{job} on w: its first task is leased" in shown.out
    assert shown.err == ""
    told = site.shell.run("events", "--job", job, "--last", "1", "--json").json()
    assert (told["kind"], told["job"], told["worker"]) == ("job-deleted", job, "")
    gone = site.shell.run("events", "--job", "nosuchjob")
    assert gone.code == 2
    assert gone.err.startswith("headrace: there is no job 'nosuchjob'")


def test_a_follower_sees_what_comes(site: Site) -> None:
    with site.shell.start("events", "-f", "--since-start", "--json") as follower:
        assert follower.stdout
        assert json.loads(follower.stdout.readline())["kind"] == "worker-joined"
        job = count_primes(site)
        for line in follower.stdout:
            told = json.loads(line)
            if (told["kind"], told["job"]) == ("job-succeeded", job):
                break
        follower.send_signal(signal.SIGINT)
        follower.communicate()
        assert follower.returncode == 130


def test_whoever_wants_nothing_old_sees_nothing_old(site: Site) -> None:
    count_primes(site)
    shown = site.shell.run("events", "--last", "0")
    assert (shown.code, shown.out, shown.err) == (0, "", "")


def test_a_program_sees_the_whole_cluster(site: Site) -> None:
    job = count_primes(site)
    with site.open_cluster() as cluster:
        overview = cluster.overview()
        assert (overview.workers, overview.slots, overview.draining) == (1, 1, 0)
        assert overview.jobs["succeeded"] >= 1
        assert cluster.timeline().points
        assert cluster.worker("w").status.python
        (newest,) = cluster.events(last=1)
        assert newest.number
        kinds = [event.kind for event in cluster.events(job=job)]
        assert kinds == ["job-submitted", "job-started", "job-succeeded"]
        with pytest.raises(UnknownWorkerError, match="no worker 'nobody'"):
            cluster.drain("nobody")


def test_a_drained_worker_finishes_what_runs_and_goes(site: Site) -> None:
    folder = site.shell.home
    worker = add_shop_worker(site, "leaves")
    with site.open_cluster() as cluster:
        jobs = cluster.engine.jobs
        job = cluster.submit("calls", plan_map("shop:wait_for", [str(folder / "release")]))
        wait_until(lambda: jobs.running(job.id, 10))
        (running,) = jobs.running(job.id, 10)
        assert (running.index, running.attempt, running.worker) == (0, 1, "leaves")
        assert running.rss_bytes > 0
        assert jobs.worker("leaves").running[0].job == job.id
        assert f"job {job.id}, task 0 for " in site.shell.run("workers", "leaves").out
        told = site.shell.run("workers", "leaves", "--json").json()
        assert (told["running"][0]["index"], told["engine"]) == (0, "pool")
        wait_until(lambda: jobs.running(job.id, 1)[0].seconds >= 1.0)
        shown = site.shell.run("job", job.id)
        assert re.search(r"running     task 0 for [1-9][0-9.]* s on leaves, [0-9.]+ MB", shown.out)
        assert site.shell.run("job", job.id, "--json").json()["running"][0]["worker"] == "leaves"
        late = site.shell.run("drain", "leaves", "--wait", "100ms")
        assert late.code == 124
        assert "after 0.1 s leaves still finished what runs" in late.err
        assert jobs.worker("leaves").status.draining
        (folder / "release").touch()
        gone = site.shell.run("drain", "leaves", "--wait", "30s")
        assert gone.code == 0 or "no worker 'leaves'" in gone.err
        if not gone.code:
            assert gone.err.endswith("headrace: worker leaves has gone\n")
        assert worker.wait() == 0
        assert job.wait(LIMIT).state == SUCCEEDED
        assert {status.name for status in cluster.workers()} == {"w"}
    worker.wait_for("the coordinator asks: finishing what runs")


def test_an_unknown_worker_is_told_in_one_line(site: Site) -> None:
    said = site.shell.run("drain", "nobody")
    assert said.code == 2
    assert said.err == (
        "headrace: there is no worker 'nobody': `headrace workers` lists those there are\n"
    )


def test_no_worker_is_drained_where_one_of_them_is_unknown(site: Site) -> None:
    first, second = add_shop_worker(site, "first"), add_shop_worker(site, "second")
    said = site.shell.run("drain", "first", "nobody", "second")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "there is no worker 'nobody'" in said.err
    with site.open_cluster() as cluster:
        assert not any(status.draining for status in cluster.workers())
    said = site.shell.run("drain", "first", "second", "first")
    assert (said.code, said.err.count("takes nothing new")) == (0, 2)
    assert first.wait() == second.wait() == 0


def test_the_largest_number_of_events_is_taken(site: Site) -> None:
    shown = site.shell.run("events", "--last", str((1 << 63) - 1))
    assert (shown.code, shown.err) == (0, "")
    assert "worker-joined" in shown.out
    assert site.shell.run("jobs", "--limit", str((1 << 63) - 2)).code == 0


def add_shop_worker(site: Site, name: str) -> Process:
    words = ("--slots", "1", "--allow", "shop", "--path", str(site.shell.home))
    return site.add_worker(*words, "--name", name)
