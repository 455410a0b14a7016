"""The methods of a cluster, both as coroutines and blocking; see ``headrace.blocking``."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from msgspec.structs import replace

from headrace.batches import FAR_PUT_BYTES, PUT_BYTES, gather_inputs
from headrace.call_size import CallSize, measure_distance
from headrace.cluster_views import AwaitedViews
from headrace.data_jobs import DataJob, make_plan_specs
from headrace.job_base import JobBase
from headrace.submission import (
    HeldNotice,
    SubmitOptions,
    advise_on_service,
    check_job_id,
    cut_for_slots,
    describe_span,
)
from headrace_services.service import Plan
from headrace_wire.api import JOBS_PER_PAGE, JobQueueApi
from headrace_wire.batch import pack_batch
from headrace_wire.bounds import check_fields
from headrace_wire.errors import (
    HeadraceError,
    NotAllowedError,
    ServiceMissingError,
    SpoolFullError,
    UnreachableError,
)
from headrace_wire.messages.jobs import JobFilter, JobSpec, JobStatus, State
from headrace_wire.timeouts import Limit
from headrace_wire.tracing import open_span, write_trace

if TYPE_CHECKING:
    from headrace.blocking import BlockingCaller
    from headrace_services.calls import CallOptions
    from headrace_services.calls.plan import Function
    from headrace_wire.async_caller import AsyncCaller

AnyJob = TypeVar("AnyJob", bound=JobBase)
P = ParamSpec("P")
T = TypeVar("T")

#: Seconds allowed for deleting a job whose submission has failed.
FORGET_SECONDS = 1.0


class ClusterBase(ABC, Generic[AnyJob]):
    """Submits jobs, and finds jobs and workers."""

    #: The default serializer of calls.
    _call_options: CallOptions | None = None

    def __reduce__(self) -> Any:
        raise TypeError(
            "a cluster cannot be passed to tasks or pickled: tasks have headrace.current_cluster()"
        )

    @abstractmethod
    def _find_jobs(self) -> AsyncCaller[JobQueueApi] | BlockingCaller[JobQueueApi]:
        """Return the caller of the job queue."""

    @abstractmethod
    def _open_job(self, status: JobStatus) -> AnyJob: ...

    @abstractmethod
    async def _work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that may take a while but does not wait for anything."""

    async def _submit(
        self,
        service: str,
        plan: Plan,
        options: SubmitOptions | None,
        on_upload: Callable[[int], object],
        on_held: Callable[[str], object],
    ) -> AnyJob:
        jobs = self._find_jobs()
        if plan.cut:
            workers = await jobs.call(JobQueueApi.workers)
            plan = await self._work(cut_for_slots, service, plan, workers)
        spec, data = make_plan_specs(service, plan, options)
        with open_span("headrace submit", "PRODUCER", describe_span(spec)):
            spec = replace(spec, trace=write_trace())
            return await self._send(spec, data, plan, on_upload, on_held)

    async def _send(
        self,
        spec: JobSpec,
        data: Sequence[DataJob],
        plan: Plan,
        on_upload: Callable[[int], object],
        on_held: Callable[[str], object],
    ) -> AnyJob:
        jobs = self._find_jobs()
        try:
            status = await self._begin(spec, on_held)
            for kept, packed in data:
                await self._wait_for_room(on_held, JobQueueApi.submit, kept)
                await self._wait_for_room(on_held, JobQueueApi.put, kept.id, 0, packed)
                await jobs.call(JobQueueApi.seal, kept.id, 1)
            if plan.inputs is not None:
                status = await self._upload(spec.id, plan.inputs, on_upload, on_held)
        except (UnreachableError, NotAllowedError):
            raise  # so the job cannot be deleted, either
        except BaseException:
            # The first error is raised, and without delay.
            with contextlib.suppress(HeadraceError), Limit.after(FORGET_SECONDS).applied():
                await jobs.call(JobQueueApi.delete, spec.id)
            raise
        job = self._open_job(status)
        job.outputs = plan.outputs
        job.trace = spec.trace
        return job

    async def _begin(self, spec: JobSpec, on_held: Callable[[str], object]) -> JobStatus:
        try:
            return await self._wait_for_room(on_held, JobQueueApi.submit, spec)
        except ServiceMissingError as error:
            raise advise_on_service(error, spec) from None

    async def _upload(
        self,
        job_id: str,
        inputs: Iterable[bytes],
        on_upload: Callable[[int], object],
        on_held: Callable[[str], object],
    ) -> JobStatus:
        start = 0
        call_size = CallSize(PUT_BYTES, FAR_PUT_BYTES, partial(measure_distance, self._find_jobs()))
        batches = gather_inputs(inputs, call_size)
        while batch := await self._work(next, batches, None):
            packed, begun = pack_batch(batch), time.monotonic()
            start = await self._wait_for_room(on_held, JobQueueApi.put, job_id, start, packed)
            on_upload(start)
            await call_size.note(len(packed), time.monotonic() - begun)
        return await self._find_jobs().call(JobQueueApi.seal, job_id, start)

    async def _wait_for_room(
        self,
        on_held: Callable[[str], object],
        method: Callable[Concatenate[JobQueueApi, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """Repeat a call until the coordinator's spool has room for it; the coordinator waits."""
        while True:
            try:
                return await self._find_jobs().call(method, *arguments, **named)
            except SpoolFullError as error:
                on_held(error.message)


class AwaitedCluster(ClusterBase[AnyJob], AwaitedViews):
    """The methods of a cluster that programs call."""

    async def submit(
        self,
        service: str,
        plan: Plan,
        options: SubmitOptions | None = None,
        on_upload: Callable[[int], object] | None = None,
        on_held: Callable[[str], object] | None = None,
    ) -> AnyJob:
        """Submit a planned job with all of its inputs. If this raises, no part of the job is kept.

        A job that can be divided into tasks in several ways is divided for the present number of
        slots. ``on_upload`` is called with the number of inputs that have arrived. While the
        coordinator's spool is full, this waits, and ``on_held`` is called with the reason; without
        it, the reason is logged.
        """
        on_upload, on_held = on_upload or _ignore, on_held or HeldNotice()
        return await self._submit(service, plan, options, on_upload, on_held)

    async def map(
        self,
        function: Function,
        iterable: Iterable[Any],
        options: SubmitOptions | None = None,
        *,
        call_options: CallOptions | None = None,
    ) -> AnyJob:
        """Submit a job that calls a function with each argument. It goes on when this program ends,
        unless the cluster was started for this program.

        Raises UsageError for a function that cannot be sent, and TypeError or ValueError for
        arguments that cannot be sent.
        """
        from headrace_services.calls import plan_map  # noqa: PLC0415 - quick start

        self._find_jobs()
        plan = await self._work(plan_map, function, iterable, call_options or self._call_options)
        return await self._submit("calls", plan, options, _ignore, HeldNotice())

    async def job(self, job_id: str) -> AnyJob:
        """Return the job with this id. Raises UnknownJobError."""
        return self._open_job(
            await self._find_jobs().call(JobQueueApi.status, check_job_id(job_id))
        )

    async def jobs(
        self,
        *,
        data: bool = False,
        limit: int | None = None,
        states: Iterable[State] | None = None,
        service: str = "",
        since: float = 0.0,
        text: str = "",
        submitted_by: str = "",
        past: bool = False,
    ) -> tuple[JobStatus, ...]:
        """Return the jobs, the newest first, without their parameters.

        At most ``limit`` jobs are returned: those in one of the ``states`` (None means all), of
        this ``service``, that were submitted at the Unix time ``since`` or later. ``text`` is
        searched in their id, name, function, service, and operation, ignoring case.
        ``submitted_by`` is the name of the key with which they were submitted. With ``data``, jobs
        that only store large functions and ``initargs`` for others are included. With ``past``,
        only expired jobs are returned. Raises TypeError and BoundsError.
        """
        if isinstance(states, str):
            raise TypeError(f"states is a list of states, not the str {states!r}")
        wanted = None if states is None else tuple(states)
        chosen = JobFilter(wanted or (), service, since, limit or 0, text, submitted_by, past)
        check_fields(chosen)
        if wanted == () or limit == 0:
            return ()  # no state can match
        found: list[JobStatus] = []
        while page := await self._find_jobs().call(
            JobQueueApi.jobs, found[-1].number if found else 0, data, chosen
        ):
            found += page
            if len(page) < JOBS_PER_PAGE or len(found) >= (limit or inf):
                break
        return tuple(found[:limit])


def _ignore(news: object) -> None:
    """Replace a callback that was not given."""
