"""Tasks on a real Ray cluster of several processes."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import psutil
import pytest

from headrace.submission import SubmitOptions
from headrace_services.calls import open_result, plan_map
from headrace_worker.engines.grid import GridAwayError, SpanLostError
from support.commands import Process, Site, wait_until
from support.ray_cluster import READY_SECONDS, RayCluster, is_alive, wait_for_start

pytest.importorskip("ray")

There = tuple[Site, RayCluster]


def test_a_task_is_ended_at_its_time_limit_and_others_go_on(ray_site: There, held: Path) -> None:
    site, cluster = ray_site
    cluster.add_engine(site)
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


def test_cancelling_a_job_ends_its_processes_and_the_worker_goes_on(
    ray_site: There, held: Path
) -> None:
    site, cluster = ray_site
    cluster.add_engine(site)
    with site.open_cluster() as opened:
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 4))
        wait_until(lambda: len(list(held.iterdir())) == 2)
        assert site.shell.run("cancel", job.id).code == 0
        wait_until(lambda: not any(Path("/proc", one.name).exists() for one in held.iterdir()))
        after = opened.submit("calls", plan_map("deeds_there:square", range(100)))
        assert len(list(after.values(ordered=False))) == 100
        status = opened.job(job.id).status
        assert (status.state, status.done, status.cancelled) == ("cancelled", 0, 4)
        assert len(list(held.iterdir())) == 2, "of a cancelled job nothing more begins"


def test_slots_follow_the_cluster_and_what_ran_on_a_machine_that_goes_runs_elsewhere(
    ray_site: There, held: Path
) -> None:
    site, cluster = ray_site
    cluster.add_engine(site)
    third = cluster.add_machine()
    with site.open_cluster() as opened:
        wait_until(lambda: [one.slots for one in opened.workers()] == [3], 60.0)
        job = opened.submit("calls", plan_map("deeds_there:hold", [str(held)] * 4))
        wait_until(lambda: len(list(held.iterdir())) == 3)
        third.kill()
        cluster.remove_machine(third)
        wait_until(lambda: [one.slots for one in opened.workers()] == [2], 60.0)
        (held / "go").touch()
        assert len(list(job.values(ordered=False))) == 4


def test_a_machine_that_dies_is_one_attempt_of_the_task_that_ran_there(
    ray_site: There, held: Path
) -> None:
    site, cluster = ray_site
    cluster.add_engine(site)
    third = cluster.add_machine()
    with site.open_cluster() as opened:
        wait_until(lambda: [one.slots for one in opened.workers()] == [3], 60.0)
        # Without retries a crash is final; what is lost is tried three times all the same.
        plan = plan_map("deeds_there:hold_and_tell_attempt", [str(held)] * 3)
        job = opened.submit("calls", plan, SubmitOptions(retries=0))
        wait_until(lambda: len(list(held.iterdir())) == 3)
        there = {str(pid) for pid in cluster.list_processes(third)}
        assert len(there & {one.name for one in held.iterdir()}) == 1
        cluster.kill_machine(third)
        wait_until(lambda: [one.slots for one in opened.workers()] == [2], 60.0)
        (held / "go").touch()
        attempts = [open_result("msgpack", value) for _, value in job.values(ordered=False)]
        assert sorted(attempts) == [1, 1, 2]
    cluster.remove_machine(third)


def test_of_short_tasks_none_is_lost_with_a_machine(ray_site: There) -> None:
    site, cluster = ray_site
    cluster.add_engine(site)
    third = cluster.add_machine()
    with site.open_cluster() as opened:
        wait_until(lambda: [one.slots for one in opened.workers()] == [3], 60.0)
        job = opened.submit("calls", plan_map("deeds_there:nap", [0.02] * 600))
        wait_until(lambda: opened.job(job.id).status.done > 100)
        cluster.kill_machine(third)
        assert len(list(job.values(ordered=False))) == 600
    cluster.remove_machine(third)


def test_without_an_address_a_cluster_of_this_machine_is_started_and_ended(
    ray_site: There,
) -> None:
    site, _ = ray_site
    words = ["--engine", "ray", "--slots", "1", "--name", "own"]
    worker = site.add_worker(*words, ready_seconds=READY_SECONDS)
    counted = site.shell.run("submit", "primes", "count", "0", "1e6")
    assert (counted.code, counted.out.strip()) == (0, "78498")
    (seen,) = site.shell.run("workers", "--json").json()
    assert (seen["engine"], seen["slots"]) == ("ray", 1)
    own = psutil.Process(worker.pid).children(recursive=True)
    found = re.search(r"/tmp/headrace-ray-\w+", str([process.cmdline() for process in own]))
    assert found, (
        "the processes of the cluster are the worker's, and write into a folder of its own"
    )
    folder = Path(found[0])
    assert folder.stat().st_mode & 0o077 == 0, "Ray lets everybody write to what is in it"
    assert worker.stop() == 0
    wait_until(lambda: not any(process.is_running() for process in own))
    assert not folder.exists()


def test_a_worker_that_is_told_to_stop_while_its_cluster_starts_leaves_nothing(
    ray_site: There,
) -> None:
    site, _ = ray_site
    worker = Process(site.shell, "worker", "--engine", "ray", "--slots", "1")
    site.workers.append(worker)
    own, folder = wait_for_start(worker.pid)
    worker.send(signal.SIGTERM)
    assert worker.wait(READY_SECONDS) == 0
    wait_until(lambda: not any(is_alive(process) for process in own))
    assert not folder.exists()
    assert [line for line in worker.lines if "SIGTERM" not in line] == []


def test_in_a_job_of_ray_s_the_cluster_is_found(ray_site: There) -> None:
    site, cluster = ray_site
    site.shell.settings["RAY_ADDRESS"] = cluster.address
    site.add_worker("--engine", "ray", "--name", "there", ready_seconds=READY_SECONDS)
    (seen,) = site.shell.run("workers", "--json").json()
    assert (seen["slots"], seen["slots_limit"]) == (2, f"the Ray cluster at {cluster.address}")


def test_what_ray_says_of_a_span_is_told_in_words_of_ours() -> None:
    from ray import exceptions  # noqa: PLC0415 - it may not be here

    from headrace_worker.engines.ray_grid import explain_loss  # noqa: PLC0415 - as above

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


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("127.0.0.1:1", 69, "no Ray cluster answers at 127.0.0.1:1"),
        ("127.0.0.1:10001", 2, "with HOST:6379 or auto"),
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
