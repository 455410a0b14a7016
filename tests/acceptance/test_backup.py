"""Backup and restore, as the documentation tells of them."""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path

from headrace.cluster import Cluster
from headrace_services.service import Plan
from headrace_wire.address import Address
from headrace_wire.key import load_key
from headrace_wire.messages.jobs import SUCCEEDED
from support.commands import Process, Site, open_site, start_coordinator, wait_until
from support.probe.headrace_probe import plan

SIZE = 300_000


def carry(count: int) -> Plan:
    inputs = (bytes([index]) * SIZE for index in range(count))
    return Plan("act", plan(count).parameters, count, inputs)


def keep_busy(site: Site, stopping: threading.Event) -> None:
    """Submit jobs, fetch their results, and delete them."""
    with site.open_cluster() as cluster:
        while not stopping.is_set():
            job = cluster.submit("probe", carry(4))
            assert len(dict(job.values(ordered=False))) == 4
            job.delete()


def test_a_backup_under_load_is_restored_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=2) as site:
        run = site.shell.run
        primes = run(
            "submit", "primes", "find", "0", "3e6", "--span", "1e6", "--detach"
        ).out.strip()
        expected = run("results", primes).out
        stopping = threading.Event()
        busy = threading.Thread(target=keep_busy, args=(site, stopping))
        busy.start()
        try:
            with site.open_cluster() as cluster:
                waiting = cluster.submit("probe", carry(3))
                done = cluster.submit("probe", carry(5))
                values = dict(done.values(ordered=False))
            copy = tmp_path / "a copy"
            made = run("backup", copy, "--data", site.data)
            assert (made.code, made.out) == (0, "")
            assert "keep a copy of the key apart" in made.err
        finally:
            stopping.set()
            busy.join()
        again = run("backup", copy, "--data", site.data)
        assert again.code == 2
        assert "is not empty" in again.err
        assert run("backup", tmp_path / "b", "--data", tmp_path / "none").code == 2
        for worker in site.workers:
            worker.stop()
        site.coordinator.stop()
        assert not (copy / "key").exists()
        shutil.copy(site.data / "key", copy / "key")
        restored = start_coordinator(site.shell, copy, site.port, "--no-http")
        try:
            site.add_worker("--slots", "1", "--name", "afterwards")
            assert run("results", primes).out == expected
            with Cluster(Address("127.0.0.1", site.port), load_key(copy / "key")) as cluster:
                assert dict(cluster.job(done.id).values(ordered=False)) == values
                assert cluster.job(done.id).status.state == SUCCEEDED
                assert len(dict(cluster.job(waiting.id).values(ordered=False))) == 3
                for status in cluster.jobs():
                    assert not status.failed, status
        finally:
            restored.stop()


def test_a_backup_that_was_killed_is_known_for_one(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site, site.open_cluster() as cluster:
        cluster.submit("probe", carry(20))
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "incomplete-backup").touch()
        again = site.shell.run("backup", copy, "--data", site.data)
        assert again.code == 2
        assert "was not finished" in again.err
        started = site.shell.run("coordinator", "--data", copy, "--no-http")
        assert started.code == 2
        assert "was not finished" in started.err


def test_a_backup_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site, site.open_cluster() as cluster:
        cluster.submit("probe", carry(100))
        copy = tmp_path / "copy"
        making = Process(site.shell, "backup", copy, "--data", site.data)
        wait_until(lambda: copy.exists() or making.lines)
        making.send(signal.SIGINT)
        code = making.wait()
        assert code in (0, 130)
        assert copy.exists() == (code == 0)
