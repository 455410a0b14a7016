"""A coordinator on the data folder of version 0.1: all is there, and what ran is finished."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from headrace.cluster import Cluster
from headrace_coordinator.store.schema import SCHEMA_VERSION
from headrace_wire.address import Address
from headrace_wire.errors import TaskFailedError
from headrace_wire.key import load_key
from support.commands import Process, Shell, start_coordinator
from support.first_store import FIRST_SCHEMA, MADE, find_copies, read_schema, unpack

if TYPE_CHECKING:
    from pathlib import Path


def test_everything_is_there_after_the_upgrade_and_what_ran_is_finished(
    tmp_path: Path, data: Path
) -> None:
    shell = Shell(tmp_path, {"HEADRACE_KEY_FILE": str(data / "key"), "PYTHONPATH": str(MADE)})
    coordinator = start_coordinator(shell, data, 0, "--no-http")
    port = coordinator.wait_for("queues at").rpartition(":")[2]
    shell.settings["HEADRACE_COORDINATOR"] = f"127.0.0.1:{port}"
    worker = Process(shell, "worker", "--slots", "1", "--allow", "first_tasks")
    try:
        (copy,) = find_copies(data)
        assert coordinator.wait_for(f"is kept in {copy} (")
        with Cluster(Address("127.0.0.1", int(port)), load_key(data / "key")) as cluster:
            jobs = {job.name: job for job in cluster.jobs()}
            assert sorted(jobs) == ["counted", "divided", "measured", "repeated"]
            (dead,) = cluster.job(jobs["divided"].id).failures()
            assert (dead.index, dead.error_type) == (1, "ZeroDivisionError")

        def fetch(name: str) -> tuple[int, list[object]]:
            done = shell.run("results", jobs[name].id)
            return done.code, [json.loads(line)["value"] for line in done.out.splitlines()]

        assert fetch("measured") == (0, [5, 20000, 7, 30000])
        assert fetch("repeated") == (0, ["xxx", "x" * 40000])
        assert fetch("divided") == (1, [3.0, 4.0])
    finally:
        worker.stop()
        coordinator.stop()
    assert stat.S_IMODE((data / "key").stat().st_mode) == 0o600
    assert find_copies(data) == [copy]
    assert read_schema(data / "headrace.db") == SCHEMA_VERSION
    assert read_schema(copy / "headrace.db") == FIRST_SCHEMA


def test_all_that_version_0_1_showed_is_shown_and_what_waited_is_done(tmp_path: Path) -> None:
    """Jobs of each state and service, dead letters, and shared state of each kind."""
    data = unpack(tmp_path / "data", "states")
    shown = json.loads((MADE / "shown.json").read_text())
    shell = Shell(tmp_path, {"HEADRACE_KEY_FILE": str(data / "key"), "PYTHONPATH": str(MADE)})
    coordinator = start_coordinator(shell, data, 0, "--no-http")
    port = int(coordinator.wait_for("queues at").rpartition(":")[2])
    shell.settings["HEADRACE_COORDINATOR"] = f"127.0.0.1:{port}"
    started: list[Process] = [coordinator]
    try:
        with Cluster(Address("127.0.0.1", port), load_key(data / "key")) as cluster:
            jobs = {job.name: job for job in cluster.jobs()}
            assert [
                {field: getattr(jobs[before["name"]], field) for field in before}
                for before in shown["jobs"]
            ] == shown["jobs"]
            assert {
                name: [
                    [dead.index, dead.reason, dead.error_type, dead.message]
                    for dead in cluster.job(job.id).failures()
                ]
                for name, job in jobs.items()
            } == shown["failures"]
            assert (
                sorted([one.name, one.kind, one.items] for one in cluster.shared())
                == shown["shared"]
            )
            assert cluster.value("total").get() == 41
            assert list(cluster.list("names")) == ["a", "b", {"deep": (1, 2.5)}]
            assert dict(cluster.dict("ages")) == {"ada": 36, ("x", 1): [None, True]}
            assert cluster.event("begun").is_set()
            parts = cluster.queue("parts")
            assert [parts.get(timeout=30), parts.get(timeout=30)] == [{"part": 1}, "y" * 20000]
            with cluster.lock("door"):
                pass
            cluster.job(jobs["given-up"].id).retry()
            cluster.job(jobs["divided"].id).replay([1])
            started.append(Process(shell, "worker", "--slots", "1", "--allow", "first_tasks"))
            for name, values in (("waiting", [5, 20000, 7]), ("given-up", [1])):
                assert list(cluster.job(jobs[name].id).results(timeout=60)) == values
            with pytest.raises(TaskFailedError, match=r"1 of 3 tasks .* ZeroDivisionError"):
                list(cluster.job(jobs["divided"].id).results(timeout=60))
        assert shell.run("results", jobs["counted"].id).out == "78498\n"
        primes = shell.run("results", jobs["found"].id).out.split()
        assert (len(primes), primes[-1]) == (33860, "399989")
        assert shell.run("results", jobs["pictures"].id, "-o", "grey").code == 1
        for number, size in enumerate([(40, 30), (40, 30), (100, 90)]):
            with Image.open(tmp_path / "grey" / f"{number}.png") as picture:
                assert picture.size == size
        assert shell.run("results", jobs["later"].id).out == "216816\n"
    finally:
        for process in reversed(started):
            process.stop()
