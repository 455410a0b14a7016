"""Tasks on a real Dask cluster of several processes."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from headrace_services.calls import open_result, plan_map
from headrace_services.primes import plan_count
from headrace_wire.errors import UnreachableError
from headrace_worker.engines.registry import GridRequest
from support.commands import Site, wait_until
from support.dask_cluster import DaskCluster, add_engine, count_processes
from support.pictures import encode, make_picture

There = tuple[Site, DaskCluster]


def test_primes_images_and_calls(dask_site: There, tmp_path: Path) -> None:
    site, cluster = dask_site
    add_engine(site, cluster)
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
    assert (worker["engine"], worker["slots"]) == ("dask", 2)
    assert f"Dask cluster at tcp://{cluster.address}" in worker["slots_limit"]


def test_what_tasks_say_is_in_the_job_s_log_and_in_the_worker_s(dask_site: There) -> None:
    site, cluster = dask_site
    worker = add_engine(site, cluster)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:speak", [7]))
        job.wait()
        lines = [(line.level, line.text) for line in job.logs()]
    assert lines == [("print", "number 7"), ("info", "half way")]
    worker.wait_for("number 7")
    worker.wait_for("send each other pickles")


def test_a_job_with_a_time_limit_waits_and_says_why(dask_site: There) -> None:
    site, cluster = dask_site
    add_engine(site, cluster)
    done = site.shell.run(
        "submit", "primes", "count", "0", "1e6", "--timeout", "10s", "--detach", "--json"
    )
    job = done.json()["id"]
    shown = site.shell.run("job", job, "--json").json()
    assert shown["state"] == "queued"
    assert "cannot keep (their engine is dask)" in shown["waiting_for"]
    site.add_worker("--slots", "1", "--name", "here")
    wait_until(lambda: site.shell.run("job", job, "--json").json()["state"] == "succeeded")


def test_a_task_with_which_its_process_dies_is_lost_and_does_no_harm(dask_site: There) -> None:
    site, cluster = dask_site
    add_engine(site, cluster)
    with site.open_cluster() as opened:
        bad = opened.submit("calls", plan_map("deeds_there:die", [1]))
        good = opened.submit("calls", plan_map("deeds_there:square", range(200)))
        assert len(list(good.values(ordered=False))) == 200
        bad.wait()
        (failure,) = bad.failures()
    assert (failure.reason, failure.attempt) == ("lost", 3)
    assert "Dask worker died while running it" in failure.message


def test_a_dask_worker_that_is_killed_costs_no_task(dask_site: There, tmp_path: Path) -> None:
    site, cluster = dask_site
    add_engine(site, cluster)
    held = tmp_path / "held"
    held.mkdir()
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 6))
        wait_until(lambda: len(list(held.iterdir())) == 2)
        victim, _ = sorted(one.name for one in held.iterdir())
        os.kill(int(victim), signal.SIGKILL)
        wait_until(lambda: len(list(held.iterdir())) == 3)  # the nanny has started another one
        (held / "go").touch()
        pids = {open_result("msgpack", value) for _, value in job.values(ordered=False)}
        assert int(victim) not in pids
        assert job.status.done == 6


def test_slots_follow_the_cluster_and_a_cancelled_job_frees_it(
    dask_site: There, tmp_path: Path
) -> None:
    site, cluster = dask_site
    add_engine(site, cluster)
    cluster.add_worker()
    wait_until(lambda: count_processes(cluster) == 3)
    with site.open_cluster() as opened:
        wait_until(lambda: [one.slots for one in opened.workers()] == [3])
        held = tmp_path / "held"
        held.mkdir()
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 20))
        wait_until(lambda: len(list(held.iterdir())) == 3)
        wait_until(lambda: opened.workers()[0].busy == 3)
        job.cancel()
        (held / "go").touch()
        after = opened.submit("calls", plan_map("deeds_there:square", range(10)))
        assert len(list(after.values(ordered=False))) == 10
        assert len(list(held.iterdir())) == 4, "of a cancelled job nothing more begins"


def test_a_scheduler_that_goes_and_comes_back(dask_site: There) -> None:
    site, cluster = dask_site
    worker = add_engine(site, cluster)
    scheduler = cluster.processes[0]
    with site.open_cluster() as opened:
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait()
        worker.wait_for("does not answer")
        job = opened.submit("primes", plan_count(0, 10**6))
        assert job.status.done == 0
        cluster.start_scheduler()
        cluster.add_worker("--nworkers", "2")
        worker.wait_for("answers again")
        assert len(list(job.values(ordered=False))) == job.status.tasks
    assert worker.stop() == 0


def test_a_worker_drains(dask_site: There, tmp_path: Path) -> None:
    site, cluster = dask_site
    worker = add_engine(site, cluster)
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


def test_shared_state_is_refused_with_the_reason(dask_site: There) -> None:
    site, cluster = dask_site
    add_engine(site, cluster)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:share", [0]))
        job.wait()
        (failure,) = job.failures()
    assert "has no shared state" in failure.message


@pytest.mark.parametrize("options", [["--max-rss", "1GiB"], ["--key-guard", "required"]])
def test_options_about_slots_are_refused(dask_site: There, options: list[str]) -> None:
    site, cluster = dask_site
    words = ["worker", "--engine", "dask", "--dask-scheduler", cluster.address]
    refused = site.shell.run(*words, *options)
    assert refused.code == 2
    assert f"{options[0]} is for the slots of a worker's own pool" in refused.err


def test_workers_without_headrace_are_told_and_not_used(dask_site: There) -> None:
    site, cluster = dask_site
    cluster.add_worker("--name", "bare", bare=True)
    wait_until(lambda: count_processes(cluster) == 3)
    words = ["--engine", "dask", "--dask-scheduler", cluster.address]
    worker = site.add_worker(*words, "--name", "there")
    assert "No module named 'headrace_worker" in worker.wait_for("is not used")
    counted = site.shell.run("submit", "primes", "count", "0", "1e7")
    assert (counted.code, counted.out.strip()) == (0, "664579")
    (shown,) = site.shell.run("workers", "--json").json()
    assert shown["slots"] == 2


def test_no_scheduler_is_one_line(dask_site: There) -> None:
    site, _ = dask_site
    words = ["worker", "--engine", "dask", "--dask-scheduler", "127.0.0.1:1", "--give-up", "0s"]
    refused = site.shell.run(*words)
    assert refused.code == 69
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in refused.err


@pytest.mark.parametrize("said", [b"HTTP/1.0 400 Bad Request\r\n\r\n", b"\xff" * 2000])
def test_something_that_is_no_scheduler_is_one_line(said: bytes) -> None:
    writers: list[asyncio.StreamWriter] = []
    dask_grid: Any = importlib.import_module("headrace_worker.engines.dask_grid")

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writers.append(writer)

    async def connect() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(UnreachableError, match="no Dask scheduler answers") as caught:
                await dask_grid.open_grid(GridRequest(f"127.0.0.1:{port}"))
            assert "is not understood" in caught.value.message
            for writer in writers:
                writer.close()

    asyncio.run(connect())
