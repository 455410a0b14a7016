"""A ledger over a store of its own."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch
from support.queue_builders import make_spec
from support.queue_invariants import check_invariants

if TYPE_CHECKING:
    from pathlib import Path

    from headrace_coordinator.moment import Now
    from headrace_coordinator.queue.queue import Queue
    from headrace_wire.messages.reports import Report


class LedgerRig:
    """A ledger over a store whose disk can be made full."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store"
        self.store = Store(self.path)
        self.commits = 0
        self.ledger = Ledger(self.store, Rules(), self.count_commit)

    def count_commit(self, seconds: float) -> None:
        assert seconds >= 0
        self.commits += 1

    def submit(self, job: str, tasks: int | None = 3) -> None:
        self.ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec(job, tasks), now))

    def put(self, job: str, start: int, data: bytes) -> None:
        self.ledger.commit_now(
            lambda queue, now: queue.intake.put(job, start, pack_batch([data]), now)
        )

    def take_report(self, report: Report) -> None:
        self.ledger.commit_now(lambda queue, now: queue.outcomes.report(report, now))

    def list_jobs(self) -> list[str]:
        def look(queue: Queue, _: Now) -> list[str]:
            check_invariants(queue.state)
            return list(queue.state.jobs)

        jobs: list[str] = self.ledger.observe(look)
        return jobs

    def list_stored(self) -> list[str]:
        """What another process would find in the file."""
        with sqlite3.connect(self.path) as reader:
            rows = reader.execute("SELECT id FROM jobs ORDER BY rowid").fetchall()
        reader.close()
        return [row[0] for row in rows]

    def fill_disk(self) -> None:
        (pages,) = self.store._writer.execute("PRAGMA page_count").fetchone()
        self.store._writer.execute(f"PRAGMA max_page_count = {pages}")

    def make_room(self) -> None:
        self.store._writer.execute("PRAGMA max_page_count = 1000000")
