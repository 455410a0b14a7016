"""Tasks on a real Ray cluster of several processes."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from headrace.submission import SubmitOptions
from headrace_services.calls import open_result, plan_map
from headrace_worker.engines.grid import GridAwayError, SpanLostError
from support.commands import Site, wait_until
from support.pictures import encode, make_picture
from support.ray_cluster import RayCluster, add_ray_engine

There = tuple[Site, RayCluster]


def test_primes_images_and_calls(ray_site: There, tmp_path: Path) -> None:
    site, cluster = ray_site
    worker = add_ray_engine(site, cluster)
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
    (seen,) = site.shell.run("workers", "--json").json()
    assert (seen["engine"], seen["slots"]) == ("ray", 2)
    assert f"Ray cluster at {cluster.address}" in seen["slots_limit"]
    worker.wait_for("send each other pickles")
    assert worker.stop() == 0


def test_what_tasks_say_is_in_the_job_s_log_and_in_the_worker_s(ray_site: There) -> None:
    site, cluster = ray_site
    worker = add_ray_engine(site, cluster)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:speak", [7]))
        job.wait()
        lines = [(line.level, line.text) for line in job.logs()]
    assert lines == [("print", "number 7"), ("info", "half way")]
    worker.wait_for("number 7")


def test_a_task_is_ended_at_its_time_limit_and_others_go_on(
    ray_site: There, tmp_path: Path
) -> None:
    site, cluster = ray_site
    add_ray_engine(site, cluster)
    held = tmp_path / "held"
    held.mkdir()
    with site.open_cluster() as opened:
        options = SubmitOptions(timeout_seconds=1.0)
        slow = opened.submit("calls", plan_map("deeds_there:hold", [str(held)]), options)
        good = opened.submit("calls", plan_map("deeds_there:square", range(200)))
        assert len(list(good.values(ordered=False))) == 200
        slow.wait()
        (failure,) = slow.failures()
        assert (failure.reason, failure.attempt) == ("timeout", 1)
        assert "ran longer than its limit of 1 s" in failure.message
        (victim,) = held.iterdir()
        wait_until(lambda: not Path("/proc", victim.name).exists())


def test_a_task_with_which_its_process_dies_is_charged_and_does_no_harm(ray_site: There) -> None:
    site, cluster = ray_site
    add_ray_engine(site, cluster)
    with site.open_cluster() as opened:
        options = SubmitOptions(retries=1)
        bad = opened.submit("calls", plan_map("deeds_there:die", [1]), options)
        good = opened.submit("calls", plan_map("deeds_there:square", range(200)))
        assert len(list(good.values(ordered=False))) == 200
        bad.wait()
        (failure,) = bad.failures()
    assert (failure.reason, failure.attempt) == ("crash", 2)
    assert "its Ray process died" in failure.message


def test_a_ray_worker_that_is_killed_costs_no_task(ray_site: There, tmp_path: Path) -> None:
    site, cluster = ray_site
    add_ray_engine(site, cluster)
    held = tmp_path / "held"
    held.mkdir()
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 6))
        wait_until(lambda: len(list(held.iterdir())) == 2)
        victim, _ = sorted(one.name for one in held.iterdir())
        os.kill(int(victim), signal.SIGKILL)
        wait_until(lambda: len(list(held.iterdir())) == 3)  # Ray has started another one
        (held / "go").touch()
        pids = {open_result("msgpack", value) for _, value in job.values(ordered=False)}
        assert int(victim) not in pids
        assert job.status.done == 6


def test_slots_follow_the_cluster_and_what_ran_on_a_machine_that_goes_runs_elsewhere(
    ray_site: There, tmp_path: Path
) -> None:
    site, cluster = ray_site
    add_ray_engine(site, cluster)
    third = cluster.add_machine()
    with site.open_cluster() as opened:
        wait_until(lambda: [one.slots for one in opened.workers()] == [3], 60.0)
        held = tmp_path / "held"
        held.mkdir()
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 4))
        wait_until(lambda: len(list(held.iterdir())) == 3)
        third.kill()
        cluster.remove_machine(third)
        wait_until(lambda: [one.slots for one in opened.workers()] == [2], 60.0)
        (held / "go").touch()
        assert len(list(job.values(ordered=False))) == 4


def test_a_cancelled_job_frees_the_cluster(ray_site: There, tmp_path: Path) -> None:
    site, cluster = ray_site
    add_ray_engine(site, cluster)
    held = tmp_path / "held"
    held.mkdir()
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 20))
        wait_until(lambda: len(list(held.iterdir())) == 2)
        job.cancel()
        after = opened.submit("calls", plan_map("deeds_there:square", range(10)))
        assert len(list(after.values(ordered=False))) == 10
        assert len(list(held.iterdir())) == 2, "of a cancelled job nothing more begins"


def test_a_worker_drains(ray_site: There, tmp_path: Path) -> None:
    site, cluster = ray_site
    worker = add_ray_engine(site, cluster)
    held = tmp_path / "held"
    held.mkdir()
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 6))
        wait_until(lambda: len(list(held.iterdir())) == 2)
        worker.send(signal.SIGTERM)
        worker.wait_for("SIGTERM")
        (held / "go").touch()
        assert worker.wait() == 0
        status = opened.job(job.id).status
        assert (status.done, status.waiting) == (2, 4)


def test_without_an_address_a_cluster_of_this_machine_is_started_and_ended(
    ray_site: There,
) -> None:
    site, _ = ray_site
    worker = site.add_worker("--engine", "ray", "--slots", "1", "--name", "own")
    counted = site.shell.run("submit", "primes", "count", "0", "1e6")
    assert (counted.code, counted.out.strip()) == (0, "78498")
    (seen,) = site.shell.run("workers", "--json").json()
    assert (seen["engine"], seen["slots"]) == ("ray", 1)
    own = psutil.Process(worker.pid).children(recursive=True)
    found = re.search(r"/tmp/headrace-ray-\w+", str([process.cmdline() for process in own]))
    assert found, (
        "the processes of the cluster are the worker's, and write into a folder of its own"
    )
    assert Path(found[0]).is_dir()
    assert worker.stop() == 0
    wait_until(lambda: not any(process.is_running() for process in own))
    assert not Path(found[0]).exists()


def test_in_a_job_of_ray_s_the_cluster_is_found(ray_site: There) -> None:
    site, cluster = ray_site
    site.shell.settings["RAY_ADDRESS"] = cluster.address
    site.add_worker("--engine", "ray", "--name", "there")
    (seen,) = site.shell.run("workers", "--json").json()
    assert (seen["slots"], seen["slots_limit"]) == (2, f"the Ray cluster at {cluster.address}")


def test_what_ray_says_of_a_span_is_told_in_words_of_ours() -> None:
    from ray import exceptions  # noqa: PLC0415 - it may not be here

    from headrace_worker.engines.ray_grid import explain_loss  # noqa: PLC0415

    for error, reason in (
        (exceptions.OutOfMemoryError("so much"), "oom"),
        (exceptions.WorkerCrashedError(), "crash"),
        (exceptions.NodeDiedError("it went"), "lost"),
        (exceptions.TaskCancelledError(), "lost"),
    ):
        told = explain_loss(error)
        assert isinstance(told, SpanLostError)
        assert told.reason == reason
    assert isinstance(explain_loss(exceptions.RaySystemError("gone")), GridAwayError)


@pytest.mark.parametrize("options", [["--max-rss", "1GiB"], ["--key-guard", "required"]])
def test_options_about_slots_are_refused(ray_site: There, options: list[str]) -> None:
    site, cluster = ray_site
    words = ["worker", "--engine", "ray", "--ray-address", cluster.address]
    refused = site.shell.run(*words, *options)
    assert refused.code == 2
    assert f"{options[0]} is for the slots of a worker's own pool" in refused.err


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("127.0.0.1:1", 69, "no Ray cluster answers at 127.0.0.1:1"),
        ("ray://127.0.0.1:10001", 2, "start the worker on one of its machines"),
    ],
)
def test_no_cluster_is_one_line(ray_site: There, address: str, code: int, said: str) -> None:
    site, _ = ray_site
    words = ["worker", "--engine", "ray", "--ray-address", address, "--give-up", "0s"]
    refused = site.shell.run(*words)
    assert refused.code == code
    assert said in refused.err
    assert "Traceback" not in refused.err
