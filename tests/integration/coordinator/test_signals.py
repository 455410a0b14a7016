"""A coordinator process and its signals, in the midst of calls, in each of the event loops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import support
from headrace_wire.address import Address, parse_address
from headrace_wire.batch import pack_batch
from headrace_wire.errors import UnreachableError
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.results import Fetched, FetchRequest
from support.queue_builders import make_spec, make_worker

#: Seconds for what must come.
PATIENCE_SECONDS = 30.0

#: Clients that call at the same time.
CLIENTS = 4

#: Seconds for which a process stands still: longer than its clock takes for a moment.
STANDSTILL_SECONDS = 2.5


class Running:
    """A coordinator process on a folder, which can be started again."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.address = Address("127.0.0.1", 0)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "headrace", "coordinator", "--no-http", "--announce"),
                *("--bind", str(self.address), "--data", str(self.folder / "data")),
            ],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.address = parse_address(json.loads(self.process.stdout.readline())["address"])

    def open(self, patience_seconds: float = 0.0) -> QueueManager:
        key = load_key(self.folder / "data" / "key")
        return QueueManager(self.address, key, patience_seconds=patience_seconds)

    def wait(self) -> tuple[int, str]:
        """The exit code and what it logged."""
        _, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, errors


@pytest.fixture(params=["uvloop", "asyncio"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    paths = [*sys.path]
    if request.param == "asyncio":
        paths.insert(0, str(Path(support.__path__[0]) / "programs" / "without_uvloop"))
    else:
        pytest.importorskip("uvloop")
    running = Running(tmp_path, {**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def put_until_lost(running: Running, job: str, begun: threading.Event) -> int:
    """Put one input after the other, and return how many were acknowledged."""
    manager = running.open()
    jobs = manager.jobs()
    acknowledged = 0
    try:
        jobs.submit(make_spec(job, None, carried=True))
        while True:
            assert jobs.put(job, acknowledged, pack_batch([b"input"])) == acknowledged + 1
            acknowledged += 1
            begun.set()
    except UnreachableError:
        return acknowledged
    finally:
        manager.close()


def fetch(manager: QueueManager, request: FetchRequest, begun: threading.Event) -> Fetched:
    """Fetch, by a connection that stands before ``begun`` is set."""
    results = manager.results()
    results.failures(request.job, 0, 1)
    begun.set()
    return results.fetch(request)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_was_acknowledged_before_a_signal_is_kept_and_waiting_calls_are_answered(
    running: Running, number: signal.Signals
) -> None:
    waiting = running.open()
    waiting.jobs().submit(make_spec("waited for", 3))
    request = FetchRequest("waited for", 0, True, 0, 20.0, 0)
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        begun = [threading.Event() for _ in range(CLIENTS + 1)]
        fetched = pool.submit(fetch, waiting, request, begun[-1])
        puts = [
            pool.submit(put_until_lost, running, f"job-{place}", event)
            for place, event in enumerate(begun[:-1])
        ]
        assert all(event.wait(PATIENCE_SECONDS) for event in begun)
        running.process.send_signal(number)
        running.process.send_signal(number)
        acknowledged = [put.result(PATIENCE_SECONDS) for put in puts]
        assert fetched.result(PATIENCE_SECONDS).status.tasks == 3
    waiting.close()
    code, errors = running.wait()
    assert code == 0, errors
    assert "Traceback" not in errors
    running.start()
    again = running.open()
    for place, count in enumerate(acknowledged):
        # The last one may have been committed, and its client not told any more.
        assert again.jobs().put(f"job-{place}", count, pack_batch([b"input"])) == count + 1
    again.close()


def test_a_coordinator_that_stood_still_answers_the_calls_that_came_meanwhile(
    running: Running,
) -> None:
    manager = running.open()
    jobs = manager.jobs()
    jobs.register(make_worker(), ())
    with ThreadPoolExecutor(2) as pool:
        leased = pool.submit(jobs.lease, LeaseRequest("w", 1, 1, 20.0, ()))
        running.process.send_signal(signal.SIGSTOP)
        try:
            submitted = pool.submit(jobs.submit, make_spec("job", 1))
            time.sleep(STANDSTILL_SECONDS)
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert submitted.result(PATIENCE_SECONDS).id == "job"
        assert [lease.job for lease in leased.result(PATIENCE_SECONDS).leases] == ["job"]
        assert [worker.name for worker in jobs.workers()] == [make_worker().name]
    manager.close()
    running.process.terminate()
    assert running.wait()[0] == 0


def test_a_ring_for_a_worker_that_went_away_is_heard_by_another(running: Running) -> None:
    gone, there = running.open(), running.open()
    for name in ("gone", "there"):
        there.jobs().register(make_worker(name), ())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gone.jobs().lease, LeaseRequest("gone", 1, 1, 20.0, ()))
        second = pool.submit(there.jobs().lease, LeaseRequest("there", 1, 1, 20.0, ()))
        gone.close()
        with pytest.raises(Exception, match=r"closed|went away"):
            first.result(PATIENCE_SECONDS)
        begun = time.monotonic()
        there.jobs().submit(make_spec("job", 1))
        assert [lease.job for lease in second.result(PATIENCE_SECONDS).leases] == ["job"]
        assert time.monotonic() - begun < 10.0, "long before the long-poll is over"
    there.close()
