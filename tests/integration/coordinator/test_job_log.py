"""A job's log and its counters in the store, and how a client waits for lines."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue import job_log
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.result_queue import ResultQueue
from headrace_coordinator.serving.topics import name_topic
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.settings import CoordinatorSettings
from headrace_coordinator.store.store import Store
from headrace_wire.address import Address
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.batch import pack_batch
from headrace_wire.errors import UnknownJobError
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.logs import JobLines, LogLine, LogPage, LogRequest
from headrace_wire.messages.reports import DoneSpan, Receipt, Report
from support.commands import wait_until
from support.coordinators import run_coordinator
from support.loop_thread import LoopThread
from support.queue_builders import make_spec, make_worker


def make_report(
    number: int, *texts: str, counters: dict[str, float] | None = None, lease: int = 0
) -> Report:
    """A report of a job's one task: what it logged, and its outcome if it counted."""
    done: tuple[DoneSpan, ...] = ()
    if counters is not None:
        done = (DoneSpan(lease, "job", 0, 1, pack_batch([b"v"]), 0.1, 0.1, counters),)
    lines = tuple(LogLine(1.5, "info", "w", 0, text) for text in texts)
    logs = (JobLines("job", lines),) if lines else ()
    return Report("worker", number, done, (), (), (), logs)


class Kept:
    """A store on the disk, opened as often as a coordinator is started on it."""

    def __init__(self, path: Path, calls: LoopThread) -> None:
        self.path = path
        self.calls = calls
        self.open()

    def open(self) -> None:
        self.store = Store(self.path)
        self.ledger = Ledger(self.store, Rules(), lambda _: None)
        self.results = ResultQueue(self.ledger, Waiters(), lambda *_: None)

    def lease(self) -> int:
        """Have the worker take the task. Returns the lease."""

        def take(queue: Queue, now: Now) -> int:
            queue.leasing.register(make_worker("worker"), (), now)
            (lease,) = queue.leasing.lease(LeaseRequest("worker", 1, 1, 0.0, ()), now)
            return lease.id

        return self.ledger.observe(take)

    def restart(self) -> None:
        self.store.close()
        self.open()

    def status(self) -> JobStatus:
        found: JobStatus = self.ledger.observe(lambda queue, now: queue.intake.status("job", now))
        return found

    def read(self, cursor: int = 0) -> LogPage:
        return self.calls.answer(self.results.logs(LogRequest("job", cursor, 0.0)))

    def report(self, report: Report) -> Receipt:
        return self.calls.answer(self.results.report(report))

    def read_texts(self) -> list[str]:
        return [line.text for line in self.read().lines]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with LoopThread() as calls:
        kept = Kept(tmp_path / "store", calls)
        kept.ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec(tasks=1), now))
        yield kept
    kept.store.close()


def test_lines_and_counters_outlive_the_coordinator(kept: Kept) -> None:
    kept.report(make_report(1, "a", "b"))
    kept.report(make_report(2, "c", counters={"found": 2.0}, lease=kept.lease()))
    before = kept.read()
    kept.restart()
    assert kept.read() == before
    assert [line.text for line in before.lines] == ["a", "b", "c"]
    assert kept.status().counters == {"found": 2.0}
    assert kept.read(before.cursor) == LogPage((), before.cursor, 0, complete=True)


def test_a_report_that_comes_again_after_a_restart_changes_nothing(kept: Kept) -> None:
    report = make_report(1, "a", counters={"found": 2.0}, lease=kept.lease())
    kept.report(report)
    kept.restart()
    receipt = kept.report(report)
    assert (receipt.accepted, receipt.dropped) == (0, 1)
    assert kept.read_texts() == ["a"]
    assert kept.status().counters == {"found": 2.0}


def test_what_is_dropped_is_gone_from_the_disk_and_stays_counted(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_log, "KEPT_LINES", 3)
    for number in range(1, 6):
        kept.report(make_report(number, f"{number} a", f"{number} b"))
    newest = ["4 a", "4 b", "5 a", "5 b"]
    assert kept.read_texts() == newest
    kept.restart()
    assert (kept.read_texts(), kept.read().dropped) == (newest, 6)
    with sqlite3.connect(kept.path) as reader:
        assert reader.execute("SELECT count(*) FROM lines").fetchone() == (2,)
    reader.close()
    kept.report(make_report(6, "6 a", "6 b", "6 c", "6 d"))
    assert (kept.read_texts(), kept.read().dropped) == (["6 b", "6 c", "6 d"], 11)


def test_a_deleted_job_leaves_no_lines(kept: Kept) -> None:
    kept.report(make_report(1, "a"))
    kept.ledger.commit_now(lambda queue, _: queue.intake.delete("job"))
    with sqlite3.connect(kept.path) as reader:
        assert reader.execute("SELECT count(*) FROM lines").fetchone() == (0,)
    reader.close()
    with pytest.raises(UnknownJobError):
        kept.read()


def test_who_waits_for_lines_hears_of_them_and_of_the_jobs_end(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    settings = CoordinatorSettings(
        bind=Address("127.0.0.1", 0), http=None, data=tmp_path, key_file=key_file
    )
    pages: list[tuple[float, LogPage]] = []
    came = threading.Condition()
    with run_coordinator(settings) as coordinator:
        manager = QueueManager(coordinator.bound, load_key(key_file))
        jobs, results = manager.jobs(), manager.results()
        job = secrets.token_hex(6)
        jobs.submit(make_spec(job, tasks=1))

        def follow() -> None:
            cursor = 0
            while True:
                page = manager.results().logs(LogRequest(job, cursor, MAX_WAIT_SECONDS))
                cursor = page.cursor
                with came:
                    pages.append((time.monotonic(), page))
                    came.notify_all()
                if page.complete:
                    return

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        for number in (1, 2):
            wait_until(lambda: coordinator._waiters.count_waiters(name_topic("log", job)))
            sent = time.monotonic()
            lines = (LogLine(1.0, "info", "w", 0, f"text {number}"),)
            results.report(Report("w", number, (), (), (), (), (JobLines(job, lines),)))
            with came:
                assert came.wait_for(lambda: len(pages) == number, 10)  # noqa: B023 - in this round
            at, page = pages[-1]
            assert [line.text for line in page.lines] == [f"text {number}"]
            assert at - sent < 5.0, "long before the long-poll was over"
        wait_until(lambda: coordinator._waiters.count_waiters(name_topic("log", job)))
        jobs.cancel(job)
        follower.join(10)
        assert not follower.is_alive()
        assert pages[-1][1].complete
        manager.close()
