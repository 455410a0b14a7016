"""Tasks on real clusters of several processes, whichever engine it is."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from headrace.submission import SubmitOptions
from headrace_services.calls import open_result, plan_map
from support.commands import Site, wait_until
from support.dask_cluster import DaskCluster
from support.pictures import encode, make_picture
from support.ray_cluster import RayCluster

There = tuple[Site, DaskCluster | RayCluster]

#: What becomes of a task with which its process dies, by the cluster that it runs on.
DEATHS = {
    DaskCluster: ("lost", "died while running it"),
    RayCluster: ("crash", "its Ray process died"),
}


def test_primes_images_and_calls(site_there: There, tmp_path: Path) -> None:
    site, cluster = site_there
    cluster.add_engine(site)
    counted = site.shell.run("submit", "primes", "count", "0", "1e7")
    assert (counted.code, counted.out.strip()) == (0, "664579")
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        (photos / f"{number}.png").write_bytes(encode(make_picture(seed=number), "PNG"))
    done = site.shell.run("submit", "images", "blur", photos, tmp_path / "blurred")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "blurred").iterdir())) == 6
    numbers = tmp_path / "numbers.jsonl"
    numbers.write_text("".join(f"{number}\n" for number in range(10_000)))
    mapped = site.shell.run("submit", "map", "deeds_there:square", numbers)
    assert mapped.code == 0, mapped.err
    assert [json.loads(line)["value"] for line in mapped.out.splitlines()] == [
        n * n for n in range(10_000)
    ]
    (worker,) = site.shell.run("workers", "--json").json()
    assert (worker["engine"], worker["slots"]) == (cluster.words[1], 2)
    assert worker["slots_limit"] == cluster.title


def test_what_tasks_say_is_in_the_job_s_log_and_in_the_worker_s(site_there: There) -> None:
    site, cluster = site_there
    worker = cluster.add_engine(site)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:speak", [7]))
        job.wait()
        lines = [(line.level, line.text) for line in job.logs()]
    assert lines == [("print", "number 7"), ("info", "half way")]
    worker.wait_for("number 7")
    worker.wait_for("send each other pickles")


def test_each_death_of_a_process_is_one_attempt_of_the_task_and_does_no_harm(
    site_there: There, tmp_path: Path
) -> None:
    site, cluster = site_there
    cluster.add_engine(site)
    runs = [tmp_path / f"runs of {number}" for number in range(2)]
    with site.open_cluster() as opened:
        bad = opened.submit("calls", plan_map("deeds_there:die", [str(file) for file in runs]))
        once = SubmitOptions(retries=0)
        # So long that they go one by one, and so short that one waits where another runs.
        naps = opened.submit("calls", plan_map("deeds_there:nap", [0.3] * 20), once)
        good = opened.submit("calls", plan_map("deeds_there:square", range(200)), once)
        assert len(list(naps.values(ordered=False))) == 20
        assert len(list(good.values(ordered=False))) == 200
        bad.wait()
        failures = list(bad.failures())
    reason, message = DEATHS[type(cluster)]
    assert [(one.reason, one.attempt) for one in failures] == [(reason, 3)] * 2
    assert all(message in one.message for one in failures)
    assert [file.read_text() for file in runs] == ["xxx"] * 2


def test_a_process_that_is_killed_costs_no_task(site_there: There, held: Path) -> None:
    site, cluster = site_there
    cluster.add_engine(site)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 6))
        wait_until(lambda: len(list(held.iterdir())) == 2)
        victim, _ = sorted(one.name for one in held.iterdir())
        os.kill(int(victim), signal.SIGKILL)
        wait_until(lambda: len(list(held.iterdir())) == 3)  # another one has started
        (held / "go").touch()
        pids = {open_result("msgpack", value) for _, value in job.values(ordered=False)}
        assert int(victim) not in pids
        assert job.status.done == 6


def test_a_worker_drains(site_there: There, held: Path) -> None:
    site, cluster = site_there
    worker = cluster.add_engine(site)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 6))
        wait_until(lambda: len(list(held.iterdir())) == 2)
        worker.send(signal.SIGTERM)
        worker.wait_for("SIGTERM")
        (held / "go").touch()
        assert worker.wait() == 0
        status = opened.job(job.id).status
        assert (status.done, status.waiting) == (2, 4)


def test_shared_state_is_refused_with_the_reason(site_there: There) -> None:
    site, cluster = site_there
    cluster.add_engine(site)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:share", [0]))
        job.wait()
        (failure,) = job.failures()
    assert "has no shared state" in failure.message
