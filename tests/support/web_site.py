"""A coordinator with its page, in this process, and browsers of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi, ResultQueueApi
from headrace_wire.manager import QueueManager
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import JobSpec, JobStatus
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import Report
from headrace_wire.messages.workers import WorkerInfo
from headrace_wire.roles import Role
from support.coordinators import run_coordinator

ANYWHERE = Address("127.0.0.1", 0)

#: Nothing here takes longer, in seconds.
PATIENCE_SECONDS = 20.0


class WebSite:
    """What a test knows of a coordinator with a page."""

    def __init__(self, coordinator: Coordinator, folder: Path) -> None:
        self.coordinator = coordinator
        self.folder = folder
        self.url = coordinator.page
        manager = QueueManager(coordinator.bound, self.read_key("client").encode())
        self.jobs: JobQueueApi = manager.jobs()
        self.results: ResultQueueApi = manager.results()

    def read_key(self, role: Role) -> str:
        """The text of a role's key; admin's is the coordinator's own."""
        name = "key" if role == "admin" else f"{role}.key"
        return (self.folder / name).read_text().strip()

    def link(self, role: Role = "client", path: str = "/") -> str:
        """A link that logs in."""
        return f"{self.url}{path}?token={self.read_key(role)}"

    @contextlib.contextmanager
    def visit(self, role: Role | None = None) -> Iterator[httpx.Client]:
        """A browser, which has logged in with the key of a role if one is named."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS) as browser:
            if role:
                assert browser.get(self.link(role)).status_code == 303
            yield browser

    @contextlib.contextmanager
    def call(self, role: Role = "client") -> Iterator[httpx.Client]:
        """A program that brings the key of a role as its token."""
        headers = {"Authorization": f"Bearer {self.read_key(role)}"}
        with httpx.Client(
            base_url=f"{self.url}/api/v1", timeout=PATIENCE_SECONDS, headers=headers
        ) as program:
            yield program

    def submit(self, job: str, tasks: int = 3, name: str = "", priority: int = 0) -> JobStatus:
        """A job that waits."""
        return self.jobs.submit(
            JobSpec(job, "primes", "count", b"\x80", tasks, name=name, priority=priority)
        )

    def fail(self, job: str, message: str = "no luck", traceback: str = "") -> None:
        """Let a worker's first task of a job of one task fail."""
        manager = QueueManager(self.coordinator.bound, self.read_key("worker").encode())
        jobs, results = manager.jobs(), manager.results()
        worker = f"w{time.monotonic_ns()}"
        jobs.register(
            WorkerInfo(
                worker, "name", "host", 1, 1, "", "spawn", "0", {"primes": "x"}, 1.0, 0, "3", "pool"
            ),
            (),
        )
        grant = jobs.lease(LeaseRequest(worker, 1, 1, 5.0, ()))
        failures = tuple(
            TaskFailure(
                lease.id, job, lease.start, lease.attempt, "error", "", "ValueError", message,
                traceback, "", "name",
            )
            for lease in grant.leases if lease.job == job
        )  # fmt: skip
        assert failures
        results.report(Report(worker, 1, (), failures, (), ()))
        jobs.leave(worker)


@contextlib.contextmanager
def open_site(
    folder: Path, *, private_jobs: bool = False, http_tls: bool = False
) -> Iterator[WebSite]:
    """Serve a page from a folder."""
    settings = CoordinatorSettings(
        data=folder,
        key_file=folder / "key",
        bind=ANYWHERE,
        http=ANYWHERE,
        private_jobs=private_jobs,
        http_tls=http_tls,
    )
    with run_coordinator(settings) as coordinator:
        yield WebSite(coordinator, folder)
