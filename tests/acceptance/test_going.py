"""How workers, coordinators and clients go, and what the others make of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from headrace.job import Job
from headrace_wire.messages.jobs import SUCCEEDED
from support.commands import Process, Site, open_site, wait_until
from support.probe.headrace_probe import plan

#: Bytes that a worker in a control group of its own may use.
GROUP_BYTES = 400 << 20

#: A client that uploads for ever, and one that takes a single value.
UPLOADER = """
import sys, time
from pathlib import Path
from headrace.cluster import Cluster
from headrace_services.service import Plan
from headrace_wire.address import Address
from headrace_wire.key import load_key
def inputs():
    for _ in range(3000): yield b"x"
    print("sent", flush=True)
    time.sleep(600)
    yield b"x"
with Cluster(Address("127.0.0.1", int(sys.argv[1])), load_key(Path(sys.argv[2]))) as cluster:
    cluster.submit("probe", Plan("act", {"folder": ""}, 3001, inputs()))
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A coordinator with short leases and no worker yet."""
    with open_site(tmp_path, "--lease", "2s", workers=0) as opened:
        yield opened


def submit(site: Site, tasks: int, **behaviour: object) -> tuple[Job, Path]:
    """Submit a job of the probe service, and the folder in which its tasks leave their marks."""
    folder = site.data.parent / f"marks-{secrets.token_hex(4)}"
    folder.mkdir()
    with site.open_cluster() as cluster:
        job = cluster.submit("probe", plan(tasks, folder, **behaviour))
    return job, folder


def collect(site: Site, job: Job) -> dict[int, bytes]:
    with site.open_cluster() as cluster:
        return dict(cluster.job(job.id).values(ordered=False))


def has_started(folder: Path, count: int) -> Callable[[], bool]:
    return lambda: len(list(folder.iterdir())) >= count


def find_family(process: Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("signals", [1, 2], ids=["at the deadline", "at the second signal"])
def test_a_drained_worker_hands_back_what_does_not_finish(site: Site, signals: int) -> None:
    worker = site.add_worker(
        "--slots", "2", "--name", "first", "--drain", "1s" if signals == 1 else "1h"
    )
    job, folder = submit(site, 2, hang=[0, 1], unless=str(site.data.parent / "mended"))
    wait_until(has_started(folder, 2))
    family = find_family(worker)
    for _ in range(signals):
        worker.send(signal.SIGTERM)
        worker.wait_for("SIGTERM")
    assert worker.wait(20) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    (site.data.parent / "mended").touch()
    site.add_worker("--slots", "2", "--name", "second")
    assert collect(site, job) == {0: b"0", 1: b"1"}


def test_a_worker_goes_on_with_what_it_holds_when_the_coordinator_comes_back(site: Site) -> None:
    site.add_worker("--slots", "2", "--name", "first")
    job, folder = submit(site, 2, sleep_seconds=3.0)
    wait_until(has_started(folder, 2))
    site.coordinator.kill()
    site.restart_coordinator()
    assert collect(site, job) == {0: b"0", 1: b"1"}
    assert len(list(folder.iterdir())) == 2, "nothing ran twice"


def test_outcomes_wait_for_a_coordinator_that_is_away(site: Site) -> None:
    site.add_worker("--slots", "2", "--name", "first")
    job, folder = submit(site, 2, sleep_seconds=1.0)
    wait_until(has_started(folder, 2))
    site.coordinator.kill()
    worker = psutil.Process(site.workers[0].pid)
    slots = [child for child in worker.children(recursive=True) if child.status() != "zombie"]
    assert slots
    threading.Event().wait(1.5)  # the tasks end meanwhile: there is nobody to tell of it
    site.restart_coordinator()
    assert collect(site, job) == {0: b"0", 1: b"1"}
    assert len(list(folder.iterdir())) == 2, "nothing ran twice"


def test_a_worker_gives_up_after_its_time(site: Site) -> None:
    worker = site.add_worker("--slots", "1", "--give-up", "1s")
    family = find_family(worker)
    site.coordinator.kill()
    assert worker.wait(20) == 69
    assert "Traceback" not in "".join(worker.lines)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    site.restart_coordinator()


def test_a_worker_that_is_told_to_go_does_not_wait_for_a_coordinator_that_is_away(
    site: Site,
) -> None:
    worker = site.add_worker("--slots", "1", "--drain", "1h")
    _, folder = submit(site, 1, sleep_seconds=1.0)
    wait_until(has_started(folder, 1))
    site.coordinator.kill()
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert any("the last outcomes could not be delivered" in line for line in worker.lines)
    site.restart_coordinator()


def test_a_client_that_dies_while_it_uploads_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.add_worker("--slots", "1")
    client = subprocess.Popen(
        [sys.executable, "-c", UPLOADER, str(site.port), str(site.data / "key")],
        stdout=subprocess.PIPE, env=site.shell.environment,
    )  # fmt: skip
    assert client.stdout
    assert client.stdout.readline() == b"sent\n"
    client.kill()
    client.wait()
    client.stdout.close()
    with site.open_cluster() as cluster:
        (status,) = cluster.jobs()
    assert not status.sealed, "it is on its way to be forgotten; nobody can take it for whole"
    assert site.shell.run("results", status.id, "--wait", "1s").code == 124


def test_a_client_that_dies_while_it_downloads_can_be_followed_by_another(site: Site) -> None:
    site.add_worker("--slots", "2")
    job = site.shell.run("submit", "primes", "find", "0", "5e6", "--detach").out.strip()
    first = site.shell.start("results", job)
    assert first.stdout
    assert first.stdout.readline() == "2\n"
    first.kill()
    first.wait()
    first.stdout.close()
    assert first.stderr
    first.stderr.close()
    target = site.data.parent / "primes.txt"
    done = site.shell.run("results", job, "-o", target)
    assert done.code == 0
    with target.open() as lines:
        assert sum(1 for _ in lines) == 348_513


def test_a_coordinator_that_is_told_to_go_commits_answers_and_closes(site: Site) -> None:
    site.add_worker("--slots", "1")
    job, folder = submit(site, 20, sleep_seconds=0.05)
    wait_until(has_started(folder, 3))
    values: dict[int, bytes] = {}
    connected = threading.Event()

    def wait_for_values() -> None:
        with site.open_cluster() as cluster:
            connected.set()
            values.update(cluster.job(job.id).values(ordered=False))

    waiting = threading.Thread(target=wait_for_values)
    waiting.start()
    assert connected.wait(30)
    assert site.coordinator.stop() == 0
    assert not list(site.data.glob("*-wal")), "the log is folded into the file"
    site.restart_coordinator()
    waiting.join(30)
    assert len(values) == 20


def make_group() -> Path | None:
    """A memory control group with a limit, of version 1 or 2, where this machine lets us."""
    name = f"headrace-test-{secrets.token_hex(4)}"
    for parent, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        folder = parent / name
        try:
            folder.mkdir()
            (folder / limit).write_text(str(GROUP_BYTES))
            return folder
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return None


@pytest.fixture
def group() -> Iterator[Path]:
    folder = make_group()
    if folder is None:
        pytest.skip("a control group of its own takes root")
    yield folder
    wait_until(lambda: not (folder / "cgroup.procs").read_text())
    folder.rmdir()


def test_a_task_that_takes_all_memory_is_told_so(group: Path, tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        worker = site.add_worker(
            "--slots", "2",
            preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
        )  # fmt: skip
        job, _ = submit(site, 6, hog=[3])
        assert len(collect(site, job)) == 5
        with site.open_cluster() as cluster:
            (failure,) = cluster.job(job.id).failures()
            assert (failure.index, failure.reason, failure.signal) == (3, "oom", "SIGKILL")
            assert failure.attempt == 3
            healthy = cluster.submit("probe", plan(20))
            assert len(dict(healthy.values(ordered=False))) == 20
            assert healthy.status.state == SUCCEEDED
        assert worker.stop() == 0
