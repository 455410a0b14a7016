"""What can be called over the network: these methods and no others.

The server's allow-list and the proxies are both made from the signatures below. Every method may
be repeated with the same arguments without doing anything twice.

Who may call each: its roles stand above it, and ``admin`` may call them all. Where one is a matter
of whose job or whose worker it is about, the served object says so.
"""

# pyright: reportReturnType=false
# The methods of a Protocol have a docstring and no body.

from __future__ import annotations

from typing import Annotated, Protocol

from msgspec import Meta

from headrace_wire.bounds import (
    MAX_ENTRIES,
    MAX_NAMED_TASKS,
    Count,
    Identifier,
    Index,
    JobId,
    Label,
    Moment,
    Name,
    Payload,
)
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import FailureGroups, TaskRuns, TaskTime, TaskTimes
from headrace_wire.messages.jobs import JobFilter, JobSpec, JobStatus
from headrace_wire.messages.leases import Grant, LeaseRequest
from headrace_wire.messages.logs import LogPage, LogRequest
from headrace_wire.messages.reports import Receipt, Report
from headrace_wire.messages.results import Collected, CollectRequest, Fetched, FetchRequest
from headrace_wire.messages.shared import (
    SharedAnswer,
    SharedBeat,
    SharedCall,
    SharedOrders,
    SharedSpec,
    SharedStatus,
)
from headrace_wire.messages.spans import HeldSpan
from headrace_wire.messages.views import (
    CoordinatorInfo,
    EventPage,
    EventRequest,
    Overview,
    Timeline,
    WorkerView,
)
from headrace_wire.messages.workers import (
    Heartbeat,
    Orders,
    Registration,
    RunningTask,
    TaskProgress,
    WorkerInfo,
    WorkerStatus,
)
from headrace_wire.roles import CLIENT, OBSERVER, TASK, WORKER, allow

#: Seconds that a long-poll may ask the coordinator to wait; it answers sooner if it can.
MAX_WAIT_SECONDS = 20.0

#: Jobs in one answer.
JOBS_PER_PAGE = 500

#: Ids of jobs in the answer to a part of an id.
IDS_MATCHED = 10

#: How many of a job's slowest tasks are remembered, with the time that they took.
TIMES_KEPT = 20

#: Shared objects in one answer.
NAMES_PER_PAGE = 1000

#: Tasks of a job.
Indices = Annotated[tuple[Index, ...], Meta(max_length=MAX_NAMED_TASKS)]

#: What a worker holds.
HeldSpans = Annotated[tuple[HeldSpan, ...], Meta(max_length=MAX_ENTRIES)]


class JobQueueApi(Protocol):
    """The job queue: clients submit, workers lease."""

    @allow(CLIENT, audited=True)
    def submit(self, spec: JobSpec) -> JobStatus:
        """Take a job in. Acknowledged after its commit. SpoolFullError as for ``put``."""

    @allow(CLIENT)
    def put(self, job: JobId, start: Index, inputs: Payload) -> Index:
        """Add a batch of inputs to an unsealed job, beginning at task ``start``.

        Returns the index that comes next. Acknowledged after its commit. Waits a while for the
        inputs before these, and for room in the spool, then raises SpoolFullError: to be repeated.
        """

    @allow(CLIENT, WORKER)
    def read(self, job: JobId) -> Payload:
        """The one input of a job that keeps data. Raises UnknownJobError."""

    @allow(CLIENT)
    def seal(self, job: JobId, tasks: Index) -> JobStatus:
        """Say that an unsealed job is whole with this many tasks."""

    @allow(CLIENT, OBSERVER)
    def status(self, job: JobId) -> JobStatus:
        """A job as it stands, or as it was when it expired. Raises UnknownJobError."""

    @allow(CLIENT, OBSERVER)
    def jobs(
        self, before: Count = 0, data: bool = False, chosen: JobFilter | None = None
    ) -> tuple[JobStatus, ...]:
        """Up to JOBS_PER_PAGE jobs, the newest first, without their parameters.

        With ``before``, those whose ``number`` is lower. With ``data``, also those that keep data
        for other jobs. With ``chosen``, only those.
        """

    @allow(CLIENT, OBSERVER)
    def count_jobs(self, chosen: JobFilter) -> Count:
        """How many jobs ``jobs`` would list in all its pages, whatever the filter's limit."""

    @allow(CLIENT, OBSERVER)
    def match(self, start: JobId) -> tuple[JobId, ...]:
        """The ids of the newest jobs that begin with this, IDS_MATCHED at most.

        Where it is the whole id of a job, that one alone.
        """

    @allow(CLIENT, audited=True)
    def cancel(self, job: JobId) -> JobStatus:
        """Stop a job, running tasks too; what is done stays done."""

    @allow(CLIENT, audited=True)
    def retry(self, job: JobId) -> JobStatus:
        """Run the failed and cancelled tasks of a final job again."""

    @allow(CLIENT, audited=True)
    def replay(self, job: JobId, indices: Indices | None = None) -> JobStatus:
        """Run these dead tasks of a job again with fresh attempts, or all where none are given.

        An empty list names no task, and changes nothing.
        """

    @allow(CLIENT)
    def withdraw(self, job: JobId, indices: Indices, kill: bool) -> Indices:
        """Take back tasks that have not started; with ``kill`` also those that run.

        Returns those that are withdrawn, now or from before: they have failed for that reason.
        Workers that hold such tasks are asked, and waited for a moment.
        """

    @allow(CLIENT, audited=True)
    def delete(self, job: JobId) -> None:
        """Forget a job, its inputs and its results, cancelling it first if need be."""

    @allow(CLIENT, OBSERVER)
    def progress(self, job: JobId, limit: Count) -> tuple[TaskProgress, ...]:
        """How far running tasks of a job say they are, the first ``limit`` in index order."""

    @allow(CLIENT, OBSERVER)
    def slowest(self, job: JobId, limit: Count) -> tuple[TaskTime, ...]:
        """The tasks of a job that took longest, the slowest first, TIMES_KEPT at most.

        Only tasks that were done since the coordinator was started are known.
        """

    @allow(CLIENT, OBSERVER)
    def task_runs(self, job: JobId, start: Index, stop: Index, limit: Count) -> TaskRuns:
        """How tasks [start, stop) of a job stand, in ``limit`` runs at most, or MAX_TASK_RUNS.

        Where there are more, neighbours are merged, and the picture may be two seconds old.
        """

    @allow(CLIENT, OBSERVER)
    def task_times(self, job: JobId) -> TaskTimes:
        """How long attempts at the tasks of a job took, as a histogram."""

    @allow(CLIENT, WORKER, OBSERVER)
    def workers(self) -> tuple[WorkerStatus, ...]:
        """The workers that are connected."""

    @allow(CLIENT, WORKER, OBSERVER, TASK)
    def info(self) -> CoordinatorInfo:
        """The state of the coordinator."""

    @allow(CLIENT, OBSERVER)
    def worker(self, worker: Label) -> WorkerView:
        """One worker, by its id or its name: what its slots run, and how it did of late.

        Raises UnknownWorkerError, and UsageError for a name that several workers have.
        """

    @allow(CLIENT, audited=True)
    def drain(self, worker: Label) -> WorkerStatus:
        """Have a worker, by its id or its name, go as at SIGTERM: it takes nothing new, finishes
        what runs, and exits.

        Raises UnknownWorkerError, and UsageError for a name that several workers have.
        """

    @allow(CLIENT, OBSERVER)
    def running(self, job: JobId, limit: Count) -> tuple[RunningTask, ...]:
        """The tasks of a job that run, those that run longest first, ``limit`` at most."""

    @allow(CLIENT, OBSERVER)
    def overview(self) -> Overview:
        """The whole cluster in a few numbers: workers, tasks, jobs, rates, and the backlog."""

    @allow(CLIENT, OBSERVER)
    def timeline(self, since: Moment) -> Timeline:
        """How things stood every ten seconds of the last hour, after a moment."""

    @allow(CLIENT, OBSERVER)
    def events(self, request: EventRequest) -> EventPage:
        """Return what happened to jobs and workers, waiting up to ``wait_seconds`` for more."""

    @allow(WORKER)
    def register(self, worker: WorkerInfo, held: HeldSpans) -> Registration:
        """Introduce a worker, with the leases that it holds from before.

        What of them is still waiting is its own again.
        """

    @allow(WORKER)
    def lease(self, request: LeaseRequest) -> Grant:
        """Hand out tasks, waiting for some up to ``wait_seconds``."""

    @allow(WORKER)
    def heartbeat(self, beat: Heartbeat) -> Orders:
        """Renew a worker's leases; wait up to ``wait_seconds`` for orders."""

    @allow(WORKER)
    def leave(self, worker: Identifier) -> None:
        """Sign off: what is still leased waits again, and is not charged with an attempt."""


class ResultQueueApi(Protocol):
    """The result queue: workers report, clients fetch."""

    @allow(WORKER)
    def report(self, report: Report) -> Receipt:
        """Take outcomes in. Acknowledged after their commit."""

    @allow(CLIENT)
    def fetch(self, request: FetchRequest) -> Fetched:
        """Return results, waiting up to ``wait_seconds`` for news."""

    @allow(CLIENT)
    def collect(self, request: CollectRequest) -> Collected:
        """Return outcomes of an owned job, waiting up to ``wait_seconds`` for some."""

    @allow(CLIENT, OBSERVER)
    def failures(self, job: JobId, start: Index, limit: Count) -> tuple[TaskFailure, ...]:
        """Failed tasks of a job in index order from task ``start`` on, ``limit`` at most."""

    @allow(CLIENT, OBSERVER)
    def failure_groups(self, job: JobId) -> FailureGroups:
        """The failures of a job by what they have in common, the most frequent first.

        Of a job with very many the first 10,000 that came.
        """

    @allow(CLIENT, OBSERVER)
    def logs(self, request: LogRequest) -> LogPage:
        """Return what a job's tasks logged, waiting up to ``wait_seconds`` for more."""

    @allow(CLIENT, audited=True)
    def acknowledge(self, job: JobId) -> None:
        """Say that the results of a final job are safe elsewhere: they are dropped."""


class SharedApi(Protocol):
    """Shared state: named objects that tasks and clients have in common."""

    @allow(CLIENT, TASK)
    def open(self, spec: SharedSpec) -> SharedStatus:
        """Make a shared object, or find it. Raises SharedKindError when it is of another kind."""

    @allow(CLIENT, TASK)
    def read(self, call: SharedCall) -> SharedAnswer:
        """Look at an object. Raises UnknownSharedError."""

    @allow(CLIENT, TASK)
    def change(self, call: SharedCall) -> SharedAnswer:
        """Change an object, all of it or not at all. Acknowledged after its commit.

        Raises UnknownSharedError and SharedFullError.
        """

    @allow(CLIENT, TASK)
    def beat(self, beat: SharedBeat) -> SharedOrders:
        """Say that a session is there, and what it no longer needs."""

    @allow(CLIENT, TASK)
    def leave(self, session: Identifier) -> None:
        """Sign off: what the session still holds is released."""

    @allow(CLIENT, OBSERVER, TASK)
    def names(self, after: Name = "") -> tuple[SharedStatus, ...]:
        """Up to NAMES_PER_PAGE shared objects by name, those whose names come after this one."""


#: What the server serves, by the name that a proxy asks for.
APIS: dict[str, type] = {"jobs": JobQueueApi, "results": ResultQueueApi, "shared": SharedApi}
