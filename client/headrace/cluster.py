"""A cluster, as a program sees it: jobs go in, results come out.

Cluster.submit ─► Job.values ─► (index, value) pairs, as they come or in index order
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from headrace.engine import Engine
from headrace_services.service import Parameters, Plan
from headrace_wire.address import Address
from headrace_wire.api import MAX_WAIT_SECONDS, JobQueueApi, ResultQueueApi
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import (
    HeadraceError,
    SpoolFullError,
    UnreachableError,
    WaitTimedOutError,
)
from headrace_wire.manager import QueueManager
from headrace_wire.messages import FetchRequest, JobSpec, JobStatus, TaskFailure, WorkerStatus

T = TypeVar("T")

#: Bytes of inputs in one batch on their way to the coordinator; a single input may be larger.
PUT_BYTES = 1 << 20

#: Inputs in one batch on their way to the coordinator.
PUT_TASKS = 1000

#: Bytes of values asked for at a time.
FETCH_BYTES = 4 << 20

#: Seconds after which a new job is looked at for the first time even if there is no news.
FIRST_LOOK_SECONDS = 1.0

#: Seconds for which a waiting program goes on trying when its coordinator is away.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """What all jobs can be told; see JobSpec."""

    name: str = ""
    priority: int = 0
    timeout_seconds: float | None = None
    retries: int | None = None
    retry_delay_seconds: float = 0.5
    deadline_seconds: float | None = None


class CoordinatorEngine:
    """The engine that is a coordinator at an address."""

    def __init__(self, manager: QueueManager) -> None:
        self._manager = manager
        self._jobs = manager.jobs()
        self._results = manager.results()

    @property
    def jobs(self) -> JobQueueApi:
        return self._jobs

    @property
    def results(self) -> ResultQueueApi:
        return self._results

    def close(self) -> None:
        self._manager.close()


class Cluster:
    """A coordinator and its workers. Closed at the end of a ``with`` block, or by ``close``.

    Raises UnreachableError when nothing answers at the address. Later, a coordinator that goes
    away is waited for, for ``patience_seconds``: ``on_lost`` is told.
    """

    def __init__(
        self,
        address: Address,
        key: bytes,
        on_lost: Callable[[UnreachableError], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        first = QueueManager(address, key)
        try:
            first.jobs().info()
        finally:
            first.close()
        manager = QueueManager(address, key, patience_seconds=patience_seconds, on_lost=on_lost)
        self._engine: Engine = CoordinatorEngine(manager)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; jobs go on."""
        self._engine.close()

    @property
    def engine(self) -> Engine:
        """The two queues, for what has no method here."""
        return self._engine

    def submit(
        self,
        service: str,
        plan: Plan,
        options: SubmitOptions | None = None,
        on_upload: Callable[[int], None] | None = None,
        on_held: Callable[[str], None] | None = None,
    ) -> Job:
        """Hand a planned job over; it is there entirely when this returns, or not at all.

        ``on_upload`` is told the number of inputs that have arrived. While the coordinator's spool
        is full this waits, and ``on_held`` is told why.
        """
        options = options or SubmitOptions()
        on_held = on_held or _ignore
        carried = plan.inputs is not None
        spec = JobSpec(
            id=make_job_id(),
            service=service,
            operation=plan.operation,
            parameters=pack(dict(plan.parameters)),
            tasks=None if carried else plan.tasks,
            carried=carried,
            name=options.name,
            priority=options.priority,
            timeout_seconds=options.timeout_seconds,
            retries=options.retries,
            retry_delay_seconds=options.retry_delay_seconds,
            deadline_seconds=options.deadline_seconds,
        )
        status = _insist(lambda: self._engine.jobs.submit(spec), on_held)
        if plan.inputs is not None:
            try:
                status = self._upload(spec.id, plan.inputs, on_upload or _ignore, on_held)
            except BaseException:
                with contextlib.suppress(HeadraceError):  # else it is forgotten after a while
                    self._engine.jobs.delete(spec.id)
                raise
        return Job(self._engine, status)

    def job(self, job_id: str) -> Job:
        """A job by its id. Raises UnknownJobError."""
        return Job(self._engine, self._engine.jobs.status(job_id))

    def jobs(self) -> tuple[JobStatus, ...]:
        """Every job, the newest first."""
        return self._engine.jobs.jobs()

    def workers(self) -> tuple[WorkerStatus, ...]:
        """Every connected worker."""
        return self._engine.jobs.workers()

    def _upload(
        self,
        job_id: str,
        inputs: Iterable[bytes],
        on_upload: Callable[[int], None],
        on_held: Callable[[str], None],
    ) -> JobStatus:
        start = 0
        for batch in _gather_batches(inputs):
            put = partial(self._engine.jobs.put, job_id, start, pack_batch(batch))
            start = _insist(put, on_held)
            on_upload(start)
        return self._engine.jobs.seal(job_id, start)


class Job:
    """One job of a cluster. ``status`` is how it stood when it was last looked at."""

    def __init__(self, engine: Engine, status: JobStatus) -> None:
        self._engine = engine
        self.status = status

    @property
    def id(self) -> str:
        return self.status.id

    @property
    def parameters(self) -> Parameters:
        """What the job is about, as its service planned it."""
        parameters: Parameters = unpack(self.status.parameters)
        return parameters

    def refresh(self) -> JobStatus:
        """Look at the job again."""
        self.status = self._engine.jobs.status(self.id)
        return self.status

    def values(
        self,
        *,
        ordered: bool,
        on_progress: Callable[[JobStatus], None] | None = None,
        deadline: float | None = None,
    ) -> Iterator[tuple[int, bytes]]:
        """Encoded values with their indices, as they come or in index order, until the job ends.

        Failed and cancelled tasks have none. ``on_progress`` is told whenever there is news, and
        at least every 20 seconds. Raises WaitTimedOutError when the monotonic ``deadline`` passes.
        """
        cursor, seen, wait_seconds = 0, 0, FIRST_LOOK_SECONDS
        while True:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise WaitTimedOutError
                wait_seconds = min(wait_seconds, left)
            request = FetchRequest(
                job=self.id,
                cursor=cursor,
                ordered=ordered,
                max_bytes=FETCH_BYTES,
                wait_seconds=wait_seconds,
                seen=seen,
            )
            wait_seconds = MAX_WAIT_SECONDS
            fetched = self._engine.results.fetch(request)
            self.status = fetched.status
            seen = fetched.status.done + fetched.status.failed
            if on_progress:
                on_progress(fetched.status)
            for run in fetched.runs:
                yield from enumerate(unpack_batch(run.values), run.start)
            cursor = fetched.cursor
            if fetched.complete:
                return

    def failures(self) -> Iterator[TaskFailure]:
        """The failed tasks in index order."""
        offset = 0
        while True:
            page = self._engine.results.failures(self.id, offset, 1000)
            yield from page
            offset += len(page)
            if not page:
                return

    def acknowledge(self) -> None:
        """Say that the results are safe: the coordinator drops them."""
        self._engine.results.acknowledge(self.id)

    def cancel(self) -> JobStatus:
        """Stop the job; what is done stays done."""
        self.status = self._engine.jobs.cancel(self.id)
        return self.status

    def retry(self) -> JobStatus:
        """Run its failed and cancelled tasks again."""
        self.status = self._engine.jobs.retry(self.id)
        return self.status

    def replay(self, indices: Iterable[int] = ()) -> JobStatus:
        """Run these dead tasks again, or all of them; the others are left as they are."""
        self.status = self._engine.jobs.replay(self.id, tuple(indices))
        return self.status

    def delete(self) -> None:
        """Forget it."""
        self._engine.jobs.delete(self.id)


def make_job_id() -> str:
    """A new job id: twelve characters that can be read out over a telephone."""
    return secrets.token_hex(6)


def _insist(call: Callable[[], T], on_held: Callable[[str], None]) -> T:
    """Repeat a call until the coordinator's spool has room for it; the coordinator waits."""
    while True:
        try:
            return call()
        except SpoolFullError as error:
            on_held(error.message)


def _ignore(news: object) -> None:
    """What is told when nobody asked."""


def _gather_batches(inputs: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for item in inputs:
        if batch and (size + len(item) > PUT_BYTES or len(batch) >= PUT_TASKS):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item)
    if batch:
        yield batch
