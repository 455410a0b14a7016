"""The methods that can be called over the network, and no others.

The server's allow-list and the proxies are both made from the signatures below. Every method may be
called again with the same arguments without doing anything twice.

The roles that may call a method are listed above it, and ``admin`` may call all of them. If it also
depends on the owner of the job or worker, the served object checks that.
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

#: How many seconds a long-poll may ask the coordinator to wait; it answers sooner if it can.
MAX_WAIT_SECONDS = 20.0

#: The maximum number of jobs in one answer.
JOBS_PER_PAGE = 500

#: The maximum number of ids in the answer to a part of an id.
IDS_MATCHED = 10

#: How many of a job's slowest tasks are kept, with the time that they took.
TIMES_KEPT = 20

#: The maximum number of shared objects in one answer.
NAMES_PER_PAGE = 1000

#: Tasks of a job.
Indices = Annotated[tuple[Index, ...], Meta(max_length=MAX_NAMED_TASKS)]

#: The leases that a worker holds.
HeldSpans = Annotated[tuple[HeldSpan, ...], Meta(max_length=MAX_ENTRIES)]


class JobQueueApi(Protocol):
    """The job queue: clients submit, workers lease."""

    @allow(CLIENT, audited=True)
    def submit(self, spec: JobSpec) -> JobStatus:
        """Accept a job. Acknowledged after its commit. Raises SpoolFullError as ``put`` does."""

    @allow(CLIENT)
    def put(self, job: JobId, start: Index, inputs: Payload) -> Index:
        """Add a batch of inputs to an unsealed job, beginning at task ``start``.

        Returns the index that comes next. Acknowledged after its commit. Waits a while for the
        inputs before these, and for room in the spool, then raises SpoolFullError; the call can be
        repeated.
        """

    @allow(CLIENT, WORKER)
    def read(self, job: JobId) -> Payload:
        """Return the only input of a job that keeps data. Raises UnknownJobError."""

    @allow(CLIENT)
    def seal(self, job: JobId, tasks: Index) -> JobStatus:
        """Declare an unsealed job complete with this many tasks."""

    @allow(CLIENT, OBSERVER)
    def status(self, job: JobId) -> JobStatus:
        """Return the status of a job, now or when it expired. Raises UnknownJobError."""

    @allow(CLIENT, OBSERVER)
    def jobs(
        self, before: Count = 0, data: bool = False, chosen: JobFilter | None = None
    ) -> tuple[JobStatus, ...]:
        """Return up to JOBS_PER_PAGE jobs, the newest first, without their parameters.

        With ``before``, only those with a lower ``number`` are returned. With ``data``, those that
        keep data for other jobs are included. With ``chosen``, only matching jobs are returned.
        """

    @allow(CLIENT, OBSERVER)
    def count_jobs(self, chosen: JobFilter) -> Count:
        """Return how many jobs ``jobs`` would list in all its pages, ignoring the filter's
        limit.
        """

    @allow(CLIENT, OBSERVER)
    def match(self, start: JobId) -> tuple[JobId, ...]:
        """Return the ids of the newest jobs that begin with ``start``, at most IDS_MATCHED.

        If it is the complete id of a job, only that id is returned.
        """

    @allow(CLIENT, audited=True)
    def cancel(self, job: JobId) -> JobStatus:
        """Stop a job, including its running tasks. Finished tasks keep their results."""

    @allow(CLIENT, audited=True)
    def retry(self, job: JobId) -> JobStatus:
        """Run the failed and cancelled tasks of a final job again."""

    @allow(CLIENT, audited=True)
    def replay(self, job: JobId, indices: Indices | None = None) -> JobStatus:
        """Run these dead tasks of a job again with all their attempts, or all of them if None is
        given.

        An empty list names no task, and changes nothing.
        """

    @allow(CLIENT)
    def withdraw(self, job: JobId, indices: Indices, kill: bool) -> Indices:
        """Take back tasks that have not started; with ``kill`` also running ones.

        Returns those that are withdrawn, now or from before: they have failed for that reason.
        Workers that hold such tasks are asked to return them, and waited for a moment.
        """

    @allow(CLIENT, audited=True)
    def delete(self, job: JobId) -> None:
        """Delete a job, its inputs and its results. It is cancelled first if necessary."""

    @allow(CLIENT, OBSERVER)
    def progress(self, job: JobId, limit: Count) -> tuple[TaskProgress, ...]:
        """Return the reported progress of a job's running tasks, the first ``limit`` in index
        order.
        """

    @allow(CLIENT, OBSERVER)
    def slowest(self, job: JobId, limit: Count) -> tuple[TaskTime, ...]:
        """Return the tasks of a job that took longest, the slowest first, at most TIMES_KEPT.

        Only tasks that were done since the coordinator was started are known.
        """

    @allow(CLIENT, OBSERVER)
    def task_runs(self, job: JobId, start: Index, stop: Index, limit: Count) -> TaskRuns:
        """Return the states of tasks [start, stop) of a job, in at most ``limit`` or MAX_TASK_RUNS
        runs.

        If there are more, neighbouring runs are merged, and the states may be two seconds old.
        """

    @allow(CLIENT, OBSERVER)
    def task_times(self, job: JobId) -> TaskTimes:
        """Return how long attempts at the tasks of a job took, as a histogram."""

    @allow(CLIENT, WORKER, OBSERVER)
    def workers(self) -> tuple[WorkerStatus, ...]:
        """Return the connected workers."""

    @allow(CLIENT, WORKER, OBSERVER, TASK)
    def info(self) -> CoordinatorInfo:
        """Return the state of the coordinator."""

    @allow(CLIENT, OBSERVER)
    def worker(self, worker: Label) -> WorkerView:
        """Return one worker, by its id or name: what its slots run, and its recent figures.

        Raises UnknownWorkerError, and UsageError if several workers have the name.
        """

    @allow(CLIENT, audited=True)
    def drain(self, worker: Label) -> WorkerStatus:
        """Drain a worker, by its id or name, as SIGTERM does: it takes nothing new, finishes its
        running tasks, and exits.

        Raises UnknownWorkerError, and UsageError if several workers have the name.
        """

    @allow(CLIENT, OBSERVER)
    def running(self, job: JobId, limit: Count) -> tuple[RunningTask, ...]:
        """Return the running tasks of a job, those that run longest first, at most ``limit``."""

    @allow(CLIENT, OBSERVER)
    def overview(self) -> Overview:
        """Return figures of the whole cluster: workers, tasks, jobs, rates, and the backlog."""

    @allow(CLIENT, OBSERVER)
    def timeline(self, since: Moment) -> Timeline:
        """Return the figures at every ten seconds of the last hour, after a given time."""

    @allow(CLIENT, OBSERVER)
    def events(self, request: EventRequest) -> EventPage:
        """Return events of jobs and workers, waiting up to ``wait_seconds`` for more."""

    @allow(WORKER)
    def register(self, worker: WorkerInfo, held: HeldSpans) -> Registration:
        """Register a worker, with the leases that it holds from before.

        Those of their tasks that still wait are leased to it again.
        """

    @allow(WORKER)
    def lease(self, request: LeaseRequest) -> Grant:
        """Lease tasks, waiting for some up to ``wait_seconds``."""

    @allow(WORKER)
    def heartbeat(self, beat: Heartbeat) -> Orders:
        """Renew a worker's leases; wait up to ``wait_seconds`` for orders."""

    @allow(WORKER)
    def leave(self, worker: Identifier) -> None:
        """Unregister a worker. Its leased tasks wait again, and are not charged with an attempt."""


class ResultQueueApi(Protocol):
    """The result queue: workers report, clients fetch."""

    @allow(WORKER)
    def report(self, report: Report) -> Receipt:
        """Accept outcomes. Acknowledged after their commit."""

    @allow(CLIENT)
    def fetch(self, request: FetchRequest) -> Fetched:
        """Return results, waiting up to ``wait_seconds`` for news."""

    @allow(CLIENT)
    def collect(self, request: CollectRequest) -> Collected:
        """Return outcomes of an owned job, waiting up to ``wait_seconds`` for some."""

    @allow(CLIENT, OBSERVER)
    def failures(self, job: JobId, start: Index, limit: Count) -> tuple[TaskFailure, ...]:
        """Return failed tasks of a job in index order from task ``start`` on, at most ``limit``."""

    @allow(CLIENT, OBSERVER)
    def failure_groups(self, job: JobId) -> FailureGroups:
        """Return the failures of a job, grouped by what they have in common, the most frequent
        first.

        Only the first 10,000 failures of a job are grouped.
        """

    @allow(CLIENT, OBSERVER)
    def logs(self, request: LogRequest) -> LogPage:
        """Return what a job's tasks logged, waiting up to ``wait_seconds`` for more."""

    @allow(CLIENT, audited=True)
    def acknowledge(self, job: JobId) -> None:
        """Confirm that the results of a final job are safe elsewhere. They are dropped."""


class SharedApi(Protocol):
    """Shared state: named objects that tasks and clients share."""

    @allow(CLIENT, TASK)
    def open(self, spec: SharedSpec) -> SharedStatus:
        """Make a shared object, or find it. Raises SharedKindError if it is of another kind."""

    @allow(CLIENT, TASK)
    def read(self, call: SharedCall) -> SharedAnswer:
        """Read an object. Raises UnknownSharedError."""

    @allow(CLIENT, TASK)
    def change(self, call: SharedCall) -> SharedAnswer:
        """Change an object completely or not at all. Acknowledged after its commit.

        Raises UnknownSharedError and SharedFullError.
        """

    @allow(CLIENT, TASK)
    def beat(self, beat: SharedBeat) -> SharedOrders:
        """Report that a session is alive, and what it no longer needs."""

    @allow(CLIENT, TASK)
    def leave(self, session: Identifier) -> None:
        """End a session. What it still holds is released."""

    @allow(CLIENT, OBSERVER, TASK)
    def names(self, after: Name = "") -> tuple[SharedStatus, ...]:
        """Return up to NAMES_PER_PAGE shared objects by name, whose names come after this one."""


#: The served objects, by the name that a proxy requests.
APIS: dict[str, type] = {"jobs": JobQueueApi, "results": ResultQueueApi, "shared": SharedApi}
