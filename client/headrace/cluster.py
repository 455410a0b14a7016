"""A cluster, as a program sees it: jobs go in, results come out.

Cluster.submit ─► Job.values ─► (index, value) pairs, as they come or in index order
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headrace.batches import gather_inputs
from headrace.coordinator_engine import PATIENCE_SECONDS, CoordinatorEngine
from headrace.data_jobs import make_plan_specs
from headrace.engine import Engine
from headrace.job import Job
from headrace.place import find_coordinator
from headrace.sharing import SharedFactory
from headrace.submission import (
    SubmitOptions,
    check_job_id,
    cut_for_slots,
    insist,
)
from headrace_services.service import Plan
from headrace_wire.address import Address
from headrace_wire.api import JOBS_PER_PAGE
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError, UnreachableError
from headrace_wire.messages import JobStatus, WorkerStatus

if TYPE_CHECKING:
    from headrace_services.calls import CallOptions
    from headrace_services.calls.plan import Function


class Cluster(SharedFactory):
    """A coordinator and its workers, at ``host:port``. Closed at the end of a ``with`` block.

    The key is ``key``, or lies in ``key_file``, or else in ``HEADRACE_KEY_FILE`` or the user's own
    folder. Raises UsageError, KeyRefusedError, and UnreachableError when nothing answers at the
    address. Later, a coordinator that goes away is waited for, for ``patience_seconds``:
    ``on_lost`` is told.
    """

    #: Says why an embedded cluster is no longer there; set by who started it.
    explain_end: Callable[[], str] | None = None

    def __init__(
        self,
        address: str | Address,
        key: bytes | None = None,
        on_lost: Callable[[UnreachableError], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        key_file: str | Path | None = None,
    ) -> None:
        address, key = find_coordinator(address, key, key_file)
        self._engine: Engine = CoordinatorEngine(address, key, on_lost, patience_seconds)

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
        """Close all connections; jobs go on, and shared state stays."""
        self._close_shared()
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

        A job that may be cut into tasks in several ways is cut for the slots that there are.
        ``on_upload`` is told the number of inputs that have arrived. While the coordinator's spool
        is full this waits, and ``on_held`` is told why.
        """
        on_held = on_held or _ignore
        if plan.cut:
            plan = cut_for_slots(service, plan, self.workers())
        spec, data = make_plan_specs(service, plan, options)
        try:
            status = insist(lambda: self._engine.jobs.submit(spec), on_held)
            for kept, packed in data:
                insist(partial(self._engine.jobs.submit, kept), on_held)
                insist(partial(self._engine.jobs.put, kept.id, 0, packed), on_held)
                self._engine.jobs.seal(kept.id, 1)
            if plan.inputs is not None:
                status = self._upload(spec.id, plan.inputs, on_upload or _ignore, on_held)
        except UnreachableError:
            raise  # so it cannot be told to forget the job, either
        except BaseException:
            with contextlib.suppress(HeadraceError):  # what went wrong first is told
                self._engine.jobs.delete(spec.id)
            raise
        return Job(self._engine, status)

    def map(
        self,
        function: Function,
        iterable: Iterable[Any],
        options: SubmitOptions | None = None,
        *,
        call_options: CallOptions | None = None,
    ) -> Job:
        """Submit a job that calls a function with each argument, and that outlives this program.

        Raises UsageError for a function that cannot travel, TypeError and ValueError for arguments.
        """
        from headrace_services.calls import plan_map  # noqa: PLC0415 - quick start

        return self.submit("calls", plan_map(function, iterable, call_options), options)

    def job(self, job_id: str) -> Job:
        """A job by its id. Raises UnknownJobError."""
        return Job(self._engine, self._engine.jobs.status(check_job_id(job_id)))

    def jobs(self, *, data: bool = False) -> tuple[JobStatus, ...]:
        """Every job, the newest first, without its parameters.

        With ``data`` also those that keep what a pool's function or ``initargs`` bring along, which
        nobody runs.
        """
        asked = (True,) if data else ()
        found: list[JobStatus] = []
        while page := self._engine.jobs.jobs(found[-1].number if found else 0, *asked):
            found += page
            if len(page) < JOBS_PER_PAGE:
                break
        return tuple(found)

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
        for batch in gather_inputs(inputs):
            put = partial(self._engine.jobs.put, job_id, start, pack_batch(batch))
            start = insist(put, on_held)
            on_upload(start)
        return self._engine.jobs.seal(job_id, start)


def _ignore(news: object) -> None:
    """What is told when nobody asked."""
