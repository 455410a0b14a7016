"""Tasks on a real Dask cluster of several processes."""

from __future__ import annotations

import asyncio
import importlib
import signal
from pathlib import Path
from typing import Any

import pytest

from headrace_services.calls import plan_map
from headrace_services.primes import plan_count
from headrace_wire.errors import UnreachableError
from headrace_worker.engines.registry import GridRequest
from support.commands import Site, wait_until
from support.dask_cluster import DaskCluster

pytest.importorskip("distributed")

There = tuple[Site, DaskCluster]


def test_a_job_with_a_time_limit_waits_and_says_why(dask_site: There) -> None:
    site, cluster = dask_site
    cluster.add_engine(site)
    done = site.shell.run(
        "submit", "primes", "count", "0", "1e6", "--timeout", "10s", "--detach", "--json"
    )
    job = done.json()["id"]
    shown = site.shell.run("job", job, "--json").json()
    assert shown["state"] == "queued"
    assert "cannot keep (their engine is dask)" in shown["waiting_for"]
    site.add_worker("--slots", "1", "--name", "here")
    wait_until(lambda: site.shell.run("job", job, "--json").json()["state"] == "succeeded")


def test_slots_follow_the_cluster_and_a_cancelled_job_frees_it(
    dask_site: There, held: Path
) -> None:
    site, cluster = dask_site
    cluster.add_engine(site)
    cluster.add_worker()
    wait_until(lambda: cluster.count_processes() == 3)
    with site.open_cluster() as opened:
        wait_until(lambda: [one.slots for one in opened.workers()] == [3])
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 20))
        wait_until(lambda: len(list(held.iterdir())) == 3)
        wait_until(lambda: opened.workers()[0].busy == 3)
        job.cancel()
        (held / "go").touch()
        after = opened.submit("calls", plan_map("deeds_there:square", range(10)))
        assert len(list(after.values(ordered=False))) == 10
        assert len(list(held.iterdir())) == 4, "of a cancelled job nothing more begins"


def test_what_runs_of_a_cancelled_job_ends_and_keeps_its_processes_busy_until_then(
    dask_site: There, held: Path
) -> None:
    site, cluster = dask_site
    cluster.add_engine(site)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 4))
        wait_until(lambda: len(list(held.iterdir())) == 2)
        assert site.shell.run("cancel", job.id).code == 0
        site.add_worker(
            "--slots", "1", "--name", "here", "--path", "code", "--allow", "deeds_there"
        )
        # None of them waits on Dask behind what was cancelled.
        after = opened.submit("calls", plan_map("deeds_there:square", range(100)))
        assert len(list(after.values(ordered=False))) == 100
        busy = {worker.name: worker.busy for worker in opened.workers()}
        assert busy["there"] == 2
        (held / "go").touch()
        wait_until(lambda: all(worker.busy == 0 for worker in opened.workers()))
        status = opened.job(job.id).status
        assert (status.state, status.done, status.cancelled) == ("cancelled", 0, 4)
        assert len(list(held.iterdir())) == 3, "of a cancelled job nothing more begins"
        done = {worker.name: worker.done for worker in opened.workers()}
        assert done == {"there": 0, "here": 100}


def test_a_scheduler_that_goes_and_comes_back(dask_site: There) -> None:
    site, cluster = dask_site
    worker = cluster.add_engine(site)
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


def test_workers_without_headrace_are_told_and_not_used(dask_site: There) -> None:
    site, cluster = dask_site
    cluster.add_worker("--name", "bare", bare=True)
    wait_until(lambda: cluster.count_processes() == 3)
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
