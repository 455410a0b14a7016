"""One job in the queue: the state of each of its tasks, in ranges.

Every task of a job is in exactly one of these places:

    fresh ─► leased ─► done                   fresh:    never leased, or handed back untouched
      ▲        │ └───► dead ─► (retry)        again:    leased before without an outcome; leasable
      │        ▼         │                    suspects: lost with their workers so often that their
      └──── delayed ◄────┘                              next worker is to hold nothing else
            again                             delayed:  failed, waiting out its pause
            suspects                          leased:   held by a worker, in one of the leases

A job that was ended early, by its client or its deadline, keeps its done and dead tasks; its other
tasks are in none of these places until a retry.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from operator import itemgetter

from msgspec import Struct, field

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.attempted_spans import AttemptedSpan, AttemptedSpans
from headrace_coordinator.queue.chunks import Chunks
from headrace_coordinator.queue.delayed import Delayed
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.job_log import JobLog
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.recent_speed import RecentSpeed
from headrace_coordinator.queue.retries import count_allowed
from headrace_coordinator.queue.time_counts import TimeCounts
from headrace_wire.api import TIMES_KEPT
from headrace_wire.bounds import MAX_COUNTERS
from headrace_wire.messages.failures import LOST
from headrace_wire.messages.job_views import TaskTime
from headrace_wire.messages.jobs import (
    DATA_SERVICE,
    FAILED,
    FINAL_STATES,
    KEEP_FOR,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    JobSpec,
    JobStatus,
    State,
)
from headrace_wire.messages.reports import DoneSpan

#: The maximum number of workers of a job whose log lines are accepted.
MAX_JOB_WORKERS = 10_000

#: The weight of the newest report in the running mean of a job's seconds per task.
MEAN_WEIGHT = 0.3


class Job(Struct):
    """A job's tasks, counts and times. ``…_at`` are Unix seconds, for people only.

    ``dropped`` are done tasks whose values were delivered and are not kept any more; ``withdrawn``
    are dead tasks that their client took back since this coordinator was started.
    """

    spec: JobSpec
    submitted_at: float
    #: The name of the key with which it was submitted.
    submitted_by: str = ""
    #: Jobs are numbered in the order in which they arrive; see ``QueueState.add``.
    number: int = 0
    virtual_seconds: float = 0.0
    tasks: int = 0
    sealed: bool = False
    state: State = QUEUED
    fresh: RangeSet = field(default_factory=RangeSet)
    again: AttemptedSpans = field(default_factory=AttemptedSpans)
    suspects: AttemptedSpans = field(default_factory=AttemptedSpans)
    delayed: Delayed = field(default_factory=Delayed)
    leases: dict[int, HeldLease] = field(default_factory=dict[int, HeldLease])
    leased: int = 0
    done: RangeSet = field(default_factory=RangeSet)
    dead: RangeSet = field(default_factory=RangeSet)
    dropped: RangeSet = field(default_factory=RangeSet)
    withdrawn: RangeSet = field(default_factory=RangeSet)
    #: Tasks that are withdrawn as soon as their worker returns them.
    recalled: RangeSet = field(default_factory=RangeSet)
    chunks: Chunks = field(default_factory=Chunks)
    #: Tasks without a result whose inputs are not kept any more.
    inputless: RangeSet = field(default_factory=RangeSet)
    mean_seconds: float | None = None
    #: The spans whose tasks took longest, the fastest first, each with its seconds per task.
    slowest: list[tuple[float, TaskTime]] = field(default_factory=list[tuple[float, TaskTime]])
    #: How long its tasks' attempts took.
    times: TimeCounts = field(default_factory=TimeCounts)
    #: The running mean of a value's size in bytes.
    mean_bytes: float | None = None
    #: The largest mean of a span of values.
    most_bytes: float = 0.0
    cpu_seconds: float = 0.0
    busy_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    #: For how many seconds it had ended before it was run again.
    paused_seconds: float = 0.0
    #: How quickly its tasks were done recently.
    recent: RecentSpeed = field(default_factory=RecentSpeed)
    results_kept: bool = True
    ended_because: str = ""
    #: Why it cannot be run again; "" if it can.
    broken: str = ""
    #: The tasks' own counters, and whether a name was refused.
    counters: dict[str, float] = field(default_factory=dict[str, float])
    counters_full: bool = False
    log: JobLog = field(default_factory=JobLog)
    #: Bytes of inputs and results that the store keeps for it.
    spool_bytes: int = 0
    #: How many bytes leased tasks will add to that, how many their values have at least, and for
    #: how many tasks this is not known.
    expected_bytes: int = 0
    value_bytes: int = 0
    unknown_tasks: int = 0
    #: How many of these bytes are results.
    result_bytes: int = 0
    #: Bytes of the text of its tasks' failures since the coordinator was started.
    failure_bytes: int = 0
    #: Of an owned job, the spans whose values are kept, by their start: (stop, bytes).
    undelivered: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    #: Monotonic times: since when tasks wait, the last request of the client, when the job is to be
    #: ended, and when it ended.
    waiting_since: float = 0.0
    heard: float = 0.0
    deadline: float | None = None
    ended: float | None = None
    #: The newest workers that are known to have been granted tasks of it.
    workers: dict[str, None] = field(default_factory=dict[str, None])
    #: The jobs that hold data for this one alone.
    data: set[str] = field(default_factory=set[str])
    #: See ``words``.
    words_kept: str = ""
    #: How many calls are reviving tasks of it, some at a time; meanwhile it does not end.
    reviving: int = 0
    #: Whether one of them is a retry, which revives all tasks that are not done.
    is_retried: bool = False
    #: Since when no worker offers its service (monotonic), and whether that was reported.
    unschedulable_since: float | None = None
    is_reported_unschedulable: bool = False

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def words(self) -> str:
        """The text that a search for it examines."""
        if not self.words_kept:
            self.words_kept = join_words(self.spec)
        return self.words_kept

    @property
    def keeps_data(self) -> bool:
        """Whether it only holds data for other jobs, and is never run."""
        return self.spec.service == DATA_SERVICE

    @property
    def has_owner(self) -> bool:
        """Whether only the client that submitted it can use it."""
        return self.spec.owned or not self.sealed

    @property
    def owner(self) -> str:
        """The job whose data this one holds, and with which it is deleted; "" for none."""
        operation = self.spec.operation
        is_owned = self.keeps_data and operation.startswith(KEEP_FOR)
        return operation.removeprefix(KEEP_FOR) if is_owned else ""

    @property
    def waiting(self) -> int:
        """How many tasks could be leased now, if only to a worker that holds nothing."""
        return self.fresh.count + self.again.count + self.suspects.count

    def note_worker(self, worker: str) -> None:
        """Note that a worker holds tasks of it."""
        self.workers[worker] = None
        if len(self.workers) > MAX_JOB_WORKERS:
            del self.workers[next(iter(self.workers))]

    def find_leased(self) -> RangeSet:
        return RangeSet(span for lease in self.leases.values() for span in lease.held)

    def has_work(self) -> bool:
        """Return whether there are tasks that any worker may lease."""
        return bool(self.fresh or self.again)

    def take(self, most: int, max_bytes: int, *, alone: bool = False) -> AttemptedSpan:
        """Remove and return a span of tasks for any worker, or of suspects for a worker that holds
        nothing else.

        There must be some. Tasks that were lost or failed before come first, in spans that become
        smaller with each attempt, so that a bad task is soon alone.
        """

        def find_cut(start: int, stop: int, attempts: int) -> int:
            cut = start + max(1, min(most, (stop - start) >> (2 * attempts)))
            return min(cut, self.chunks.fit(start, cut, max_bytes)) if self.spec.carried else cut

        if alone:
            return self.suspects.take(find_cut)
        if self.again:
            return self.again.take(find_cut)
        start, stop = self.fresh.first()
        cut = find_cut(start, stop, 0)
        self.fresh.remove(start, cut)
        return start, cut, 0

    def give_back(
        self, start: int, stop: int, attempts: int, now: float, *, lost: bool = False
    ) -> None:
        """Let tasks wait from ``now`` on that were attempted this many times.

        ``lost`` means that the last attempt ended because the worker was lost.
        """
        if not self.waiting:
            self.waiting_since = now
        if lost and attempts >= count_allowed(self.spec, LOST) - 1:
            self.suspects.add(start, stop, attempts)
        elif attempts:
            self.again.add(start, stop, attempts)
        else:
            self.fresh.add(start, stop)

    def claim_waiting(self, start: int, stop: int, attempts: int) -> RangeSet:
        """Remove and return those of tasks [start, stop) that wait after this many attempts."""
        if not attempts:
            claimed = RangeSet(self.fresh.overlap(start, stop))
            self.fresh.remove(start, stop)
            return claimed
        return RangeSet(self.again.remove(start, stop, attempts))

    def forget_waiting(self, start: int, stop: int) -> None:
        """Remove tasks from wherever they wait, because their outcome came from elsewhere."""
        self.fresh.remove(start, stop)
        self.again.remove(start, stop)
        self.suspects.remove(start, stop)
        self.delayed.remove(start, stop)

    def learn_seconds(self, run: DoneSpan, worker: str, attempt: int) -> None:
        seconds = run.busy_seconds / (run.stop - run.start)
        self.mean_seconds = _move_mean(self.mean_seconds, seconds)
        if len(self.slowest) < TIMES_KEPT or seconds > self.slowest[0][0]:
            time = TaskTime(run.start, run.stop, worker, run.cpu_seconds, run.busy_seconds, attempt)
            insort(self.slowest, (seconds, time), key=itemgetter(0))
            del self.slowest[:-TIMES_KEPT]

    def learn_bytes(self, tasks: int, size_bytes: int) -> None:
        each = size_bytes / tasks
        self.mean_bytes = _move_mean(self.mean_bytes, each)
        self.most_bytes = max(self.most_bytes, each)

    def measure_growth(self) -> float:
        """Return by how many bytes a task's outcome increases what is kept, as far as is known.

        Its input is dropped when it is done, so the number may be negative.
        """
        return (self.mean_bytes or 0.0) - self.measure_input()

    def measure_input(self) -> float:
        """Return the mean size of its inputs in bytes."""
        return self.bytes_in / max(1, self.tasks) if self.spec.carried else 0.0

    def measure_expected(self) -> tuple[int, int, int]:
        """Return how many bytes leased tasks will add, how many their values have, and for how many
        tasks that is not known, whose values are taken to be as large as their inputs.
        """
        if self.mean_bytes is None:
            return 0, int(self.leased * self.measure_input()), self.leased
        added = int(self.leased * max(0.0, self.measure_growth()))
        return added, int(self.leased * self.most_bytes), 0

    def count(self, growth: Mapping[str, float]) -> str:
        """Add to the tasks' counters. Returns a name for which there was no room, or ""."""
        refused = ""
        for name, amount in growth.items():
            if name in self.counters or len(self.counters) < MAX_COUNTERS:
                self.counters[name] = self.counters.get(name, 0.0) + amount
            else:
                refused = name
        return refused

    def settle(self, now: float, now_at: float) -> None:
        """Set the state that follows from the counts."""
        finished = self.done.count + self.dead.count
        if self.is_final:
            return
        if self.sealed and finished == self.tasks and not self.reviving:
            self.end(FAILED if self.dead else SUCCEEDED, now, now_at)

    def end(self, state: State, now: float, now_at: float, because: str = "") -> None:
        """Make the job final. Tasks that are neither done nor dead are dropped."""
        self.fresh = RangeSet()
        self.again.clear()
        self.suspects.clear()
        self.delayed.clear()
        self.leases.clear()
        self.leased = 0
        self.state = state
        self.ended_because = because
        self.ended = now
        self.finished_at = now_at

    def begin(self, now: float, now_at: float) -> None:
        """Note that the first of its tasks is leased, or the first since it was run again."""
        self.state = RUNNING
        if self.started_at is None:
            self.started_at = now_at
        self.recent.note(now, self.done.count)

    def reopen(self, now_at: float) -> None:
        """Let a final job run again. The time since its end does not count for it."""
        if self.finished_at is not None:
            self.paused_seconds += max(0.0, now_at - self.finished_at)
        self.state = QUEUED
        self.finished_at = self.ended = None
        self.ended_because = ""
        self.results_kept = True
        self.recent.clear()

    def status(self, now: Now, waiting_for: str, parameters: bytes | None = None) -> JobStatus:
        """Return the status, with the job's own parameters or with these."""
        unfinished = self.tasks - self.done.count - self.dead.count
        until = now.at if self.finished_at is None else self.finished_at
        seconds = max(0.0, until - self.submitted_at - self.paused_seconds)
        done = self.done.count
        speed = self.recent.find(now.monotonic, done) if self.state == RUNNING else None
        return JobStatus(
            id=self.spec.id,
            state=self.state,
            service=self.spec.service,
            operation=self.spec.operation,
            name=self.spec.name,
            priority=self.spec.priority,
            parameters=self.spec.parameters if parameters is None else parameters,
            tasks=self.tasks,
            sealed=self.sealed,
            waiting=self.waiting,
            leased=self.leased,
            retrying=len(self.delayed),
            done=done,
            failed=self.dead.count,
            cancelled=unfinished if self.is_final else 0,
            retries=self.spec.retries,
            timeout_seconds=self.spec.timeout_seconds,
            deadline_seconds=self.spec.deadline_seconds,
            cpu_seconds=self.cpu_seconds,
            busy_seconds=self.busy_seconds,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            submitted_at=self.submitted_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            wall_seconds=seconds,
            results_kept=self.results_kept,
            waiting_for=waiting_for,
            ended_because=self.ended_because,
            counters=dict(self.counters),
            number=self.number,
            function=self.spec.function,
            submitted_by=self.submitted_by,
            done_per_second=speed,
        )


def join_words(about: JobSpec | JobStatus) -> str:
    """Return the text that a search for a job examines."""
    words = (about.id, about.name, about.function, about.service, about.operation)
    return "\n".join(words).casefold()


def _move_mean(mean: float | None, newest: float) -> float:
    return newest if mean is None else mean + (newest - mean) * MEAN_WEIGHT
