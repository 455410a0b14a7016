"""The state of the queue, and the events that its transitions emit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from headrace_coordinator.moment import Now
from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.queue.failure_texts import limit_text
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.lease_proofs import LeaseProofs
from headrace_coordinator.queue.members import Member, show_id
from headrace_coordinator.queue.past_leases import PastLease, PastLeases
from headrace_coordinator.queue.schedule import Turns
from headrace_coordinator.shares import share_of
from headrace_wire.errors import NotAllowedError, UnknownJobError
from headrace_wire.messages.failures import Reason, TaskFailure
from headrace_wire.messages.jobs import State
from headrace_wire.messages.spans import HeldSpan, LeasedSpan
from headrace_wire.messages.workers import Heartbeat

#: The maximum number of tasks that all workers together report as running or with progress.
MAX_REPORTED_TASKS = 1 << 17


class QueueState(Struct):
    """Everything that the transitions read and change.

    Invariants, between transitions (the tests check them: ``tests/support/queue_invariants.py``):

    1. Each task of a job that is not final is in exactly one place: fresh, again, delayed, one
       lease, done or dead; together they are all of [0, tasks).
    2. Each task of a final job that was not ended early is done or dead.
    3. A lease is in its job's leases if and only if it is in its worker's and in ``leases``.
    4. A job is succeeded if and only if it is sealed and all of its tasks are done.
    5. A task has no more attempts than its job allows, except for those in which it was lost
       together with others; each of these leaves at most a quarter of the others with it.
    6. ``spool_bytes`` is the sum of what the jobs keep, and none of them keeps less than nothing;
       ``expected_bytes``, ``value_bytes`` and ``unknown_tasks`` are the sums of what is expected of
       leased tasks.
    7. A job with tasks to lease is in ``turns``, one with suspects in ``suspected``, and one with
       tasks that wait out a pause in ``paused``, so that no other jobs are examined for a lease.
       Jobs that keep data for others are in none of them.
    """

    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    members: dict[str, Member] = field(default_factory=dict[str, Member])
    leases: dict[int, HeldLease] = field(default_factory=dict[int, HeldLease])
    turns: Turns = field(default_factory=Turns)
    suspected: dict[str, Job] = field(default_factory=dict[str, Job])
    paused: dict[str, Job] = field(default_factory=dict[str, Job])
    events: list[Event] = field(default_factory=list[Event])
    #: The slots of all workers together.
    slots: int = 0
    virtual_seconds: float = 0.0
    next_lease: int = 1
    past: PastLeases = field(default_factory=PastLeases)
    #: Proofs of leases, for later queues over the same store; without them, these recognize none.
    proofs: LeaseProofs | None = None
    spool_bytes: int = 0
    #: How many bytes of inputs and values have been accepted since this queue was made.
    written_bytes: int = 0
    #: The sums of what ``Job.measure_expected`` returns.
    expected_bytes: int = 0
    value_bytes: int = 0
    unknown_tasks: int = 0
    #: Jobs of which nothing was leased because space is short, and whether that was reported.
    held: dict[str, bool] = field(default_factory=dict[str, bool])
    #: The number of jobs that keep data for others.
    data_jobs: int = 0
    parameter_bytes: int = 0
    #: How many jobs each key has submitted, their parameters' bytes, and how many workers it has.
    jobs_by_key: Counter[str] = field(default_factory=Counter[str])
    parameter_bytes_by_key: Counter[str] = field(default_factory=Counter[str])
    members_by_key: Counter[str] = field(default_factory=Counter[str])
    reported_tasks_by_key: Counter[str] = field(default_factory=Counter[str])
    #: The worker that gets nothing more until it holds nothing, so that suspects can run there.
    clearing: str = ""
    _last_number: int = 0

    def find(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise UnknownJobError(
                f"there is no job {job_id!r}: `headrace jobs` lists those there are"
            )
        return self.jobs[job_id]

    def add(self, job: Job) -> None:
        """Add a new job with its waiting tasks.

        Its number is the time of its submission, or the next free one, so that restored jobs get
        the same numbers again.
        """
        self._last_number = max(self._last_number + 1, int(job.submitted_at * 1e6))
        job.number = self._last_number
        self.parameter_bytes += len(job.spec.parameters)
        self.parameter_bytes_by_key[job.submitted_by] += len(job.spec.parameters)
        self.jobs_by_key[job.submitted_by] += 1
        self.jobs[job.spec.id] = job
        self.data_jobs += job.keeps_data
        if owner := self.jobs.get(job.owner):
            owner.data.add(job.spec.id)
        self.note_waiting(job)

    def forget(self, job: Job) -> None:
        """Remove a job of which no worker holds anything."""
        self.count_expected(job)
        del self.jobs[job.spec.id]
        self.data_jobs -= job.keeps_data
        if owner := self.jobs.get(job.owner):
            owner.data.discard(job.spec.id)
        self.parameter_bytes -= len(job.spec.parameters)
        self.parameter_bytes_by_key[job.submitted_by] -= len(job.spec.parameters)
        _take_one(self.jobs_by_key, job.submitted_by)
        if job.submitted_by not in self.jobs_by_key:
            del self.parameter_bytes_by_key[job.submitted_by]
        self.turns.drop(job.spec.id)
        self.suspected.pop(job.spec.id, None)
        self.paused.pop(job.spec.id, None)

    def note_waiting(self, job: Job) -> None:
        """Put a job with waiting tasks where leasing looks for work."""
        if job.keeps_data:
            return  # no worker runs it
        self.turns.place(job)
        if job.suspects:
            self.suspected[job.spec.id] = job

    def offer(self, job: Job) -> None:
        """Notify workers that request work that tasks of a job wait."""
        self.note_waiting(job)
        self.emit(events.WorkAppeared())

    def add_member(self, member: Member) -> None:
        self.members[member.info.id] = member
        self.members_by_key[member.key] += 1
        self.slots += member.info.slots

    def resize(self, member: Member, slots: int, limit: str) -> None:
        """Set how many slots a worker has now, for example after its engine has grown, and why."""
        self.slots += slots - member.info.slots
        member.info = replace(member.info, slots=slots, slots_limit=limit)

    def remove_member(self, member: Member) -> None:
        """Remove a worker that holds nothing."""
        self._add_reported_tasks(member, -member.count_reported_tasks())
        del self.members[member.info.id]
        _take_one(self.members_by_key, member.key)
        self.slots -= member.info.slots
        if self.clearing == member.info.id:
            self.clearing = ""

    def keep_reported_tasks(self, member: Member, beat: Heartbeat) -> None:
        """Keep what a worker reports of its tasks, as far as there is room for its key."""
        self._add_reported_tasks(member, -member.count_reported_tasks())
        reported, key = self.reported_tasks_by_key, member.key
        room = max(
            0,
            min(
                MAX_REPORTED_TASKS - reported.total(),
                share_of(MAX_REPORTED_TASKS, key) - reported[key],
            ),
        )
        member.running = beat.running[:room]
        member.progress = beat.progress[: room - len(member.running)]
        self._add_reported_tasks(member, member.count_reported_tasks())

    def _add_reported_tasks(self, member: Member, growth: int) -> None:
        self.reported_tasks_by_key[member.key] += growth
        if not self.reported_tasks_by_key[member.key]:
            del self.reported_tasks_by_key[member.key]

    @property
    def may_have_work(self) -> bool:
        """Whether there may be tasks to lease."""
        return bool(self.turns or self.suspected)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def find_member(self, worker: str, key: str) -> Member | None:
        """Return a worker, for a caller with this key; None if it is not connected.

        Raises NotAllowedError if it was registered with another key.
        """
        member = self.members.get(worker)
        if member and key not in ("", member.key):
            raise NotAllowedError(f"worker {worker!r} was registered with another key")
        return member

    def prove(self, lease: HeldLease) -> str:
        """Return a proof of a lease that its worker holds, for later queues over the same store."""
        if self.proofs is None:
            return ""
        return self.proofs.sign(lease.id, lease.attempt, self._describe(lease))

    def recall(self, runs: Iterable[HeldSpan], worker: str, key: str) -> None:
        """Recognize those leases of a worker that earlier queues granted to it, if it sent their
        proofs. The caller has the key of this name.
        """
        unproven = 0
        for run in runs:
            if run.lease in self.leases or not self.past.is_foreign(run.lease):
                continue
            job = self.jobs.get(run.job)
            if job is None or self.past.find(run.lease):
                continue
            lease = self.proofs and self.proofs.open(run, worker, job.submitted_at)
            if lease and key in ("", lease.key):
                self.past.add(run.lease, lease)
                job.note_worker(worker)
            else:
                unproven += 1
        if unproven:
            member = self.members.get(worker)
            name = member.info.name if member else show_id(worker)
            self.emit(events.LeasesUnproven(name, key, unproven))

    def was_granted(self, worker: str, key: str, span: LeasedSpan) -> bool:
        """Return whether a worker holds or held tasks under a lease, as far as this is known.

        Leases that an earlier queue over the same store has granted are known after ``recall``.
        """
        held = self.leases.get(span.lease)
        past = self.past.find(span.lease)
        if held:
            owner = held.worker, held.job
            start, stop = held.start, held.stop
        elif past:
            job = self.jobs.get(past.job)
            if key not in ("", past.key) or not job or job.submitted_at != past.submitted_at:
                return False
            owner = past.worker, past.job
            start, stop = past.start, past.stop
        else:
            return False
        return owner == (worker, span.job) and start <= span.start < span.stop <= stop

    def met_needs(self, span: LeasedSpan) -> bool:
        """Return whether the worker that was granted tasks has what their job needs, if this is
        known.
        """
        held, past = self.leases.get(span.lease), self.past.find(span.lease)
        if held:
            return self.members[held.worker].meets_needs(self.jobs[held.job].spec)
        return past is None or past.met_needs

    def is_for_others(self, job: Job, member: Member) -> bool:
        """Return whether a worker refused a job that another one may still accept."""
        return job.spec.id in member.refused and any(
            other.may_run(job.spec) and job.spec.id not in other.refused
            for other in self.members.values()
        )

    def drain_events(self) -> list[Event]:
        """Return the events since the last call."""
        events, self.events = self.events, []
        return events

    def drop_lease(self, lease: HeldLease) -> None:
        """Remove a lease. The caller finds a place for the tasks that it still holds."""
        job, member = self.jobs[lease.job], self.members[lease.worker]
        if lease.held:
            self.past.add(lease.id, self._describe(lease))
        del self.leases[lease.id], job.leases[lease.id], member.leases[lease.id]
        job.leased -= lease.held.count
        self.count_expected(job)
        if lease.alone or (self.clearing == lease.worker and not member.leases):
            self.emit(events.WorkAppeared())  # for this worker, which was not given any work

    def _describe(self, lease: HeldLease) -> PastLease:
        """Return what is remembered of a lease after its end."""
        job, member = self.jobs[lease.job], self.members[lease.worker]
        return PastLease(
            lease.job,
            lease.worker,
            member.key,
            lease.start,
            lease.stop,
            job.submitted_at,
            member.meets_needs(job.spec),
        )

    def stop_leases(self, job: Job) -> None:
        """End every lease of a job, and order its workers to stop what they run of it."""
        leases = list(job.leases.values())
        for lease in leases:
            self.drop_lease(lease)
        for worker in dict.fromkeys(lease.worker for lease in leases):
            self.order(worker, job.spec.id)

    def order(self, worker: str, job_id: str, index: int | None = None) -> None:
        """Order a worker to stop what it runs of a job, or one task of it; see ``HAND_BACK``."""
        self.members[worker].order(job_id, index)
        self.emit(events.OrdersGiven(worker))

    def declare_dead(
        self,
        job: Job,
        index: int,
        reason: Reason,
        message: str,
        *,
        attempt: int,
        lease: int = 0,
        worker: str = "",
    ) -> None:
        """Make a task dead for a reason that no worker reported."""
        failure = TaskFailure(
            lease=lease,
            job=job.spec.id,
            index=index,
            attempt=attempt,
            reason=reason,
            message=message,
            summary=f"task {index}",
            worker=worker,
        )
        self.accept_death(job, failure)

    def accept_death(self, job: Job, failure: TaskFailure) -> None:
        """Make a task dead after its last attempt.

        The texts of a job's failures are kept up to a limit. The client of an owned job fetches
        them, and gets the whole text.
        """
        if not job.spec.owned:
            failure = limit_text(job, failure)
        job.dead.add(failure.index, failure.index + 1)
        spec = job.spec
        self.emit(events.TaskDead(failure, spec.service, spec.operation, job.submitted_by))

    def change(self, job: Job, now: Now) -> None:
        """Update a job's state after its counts changed."""
        was_final = job.is_final
        job.settle(now.monotonic, now.at)
        self._note_change(job, now, ended=job.is_final and not was_final)

    def end(self, job: Job, state: State, now: Now, because: str = "") -> None:
        """End a job early; done and dead tasks stay as they are."""
        self.stop_leases(job)
        job.end(state, now.monotonic, now.at, because)
        self._note_change(job, now, ended=True)

    def _note_change(self, job: Job, now: Now, *, ended: bool) -> None:
        self.count_expected(job)
        self.emit(events.JobChanged(job.spec.id))
        if ended:
            self.emit(events.JobEnded(job.status(now, "", b"")))

    def set_deadline(self, job: Job, now: Now) -> None:
        """If a job has a time limit, let it begin now."""
        if job.spec.deadline_seconds is not None:
            job.deadline = now.monotonic + job.spec.deadline_seconds
            self.emit(events.MomentSet(job.deadline))

    def count_kept(self, job: Job, size_bytes: int) -> None:
        """Count bytes that the store keeps for a job from now on, or if negative, no longer
        keeps.
        """
        job.spool_bytes += size_bytes
        self.spool_bytes += size_bytes
        if size_bytes < 0:
            self.end_hold()
        else:
            self.written_bytes += size_bytes

    def count_expected(self, job: Job) -> None:
        """Update the sums of what leased tasks are expected to add, after a job has changed."""
        before, values, unknown = job.expected_bytes, job.value_bytes, job.unknown_tasks
        job.expected_bytes, job.value_bytes, job.unknown_tasks = job.measure_expected()
        self.expected_bytes += job.expected_bytes - before
        self.value_bytes += job.value_bytes - values
        self.unknown_tasks += job.unknown_tasks - unknown
        if self.held and (
            job.expected_bytes < before or job.value_bytes < values or job.unknown_tasks < unknown
        ):
            self.end_hold()

    def end_hold(self) -> None:
        """Let workers request work again that were given less than there is."""
        if self.held:
            self.held.clear()
            self.emit(events.WorkAppeared())


def _take_one(counted: Counter[str], key: str) -> None:
    """Decrease a count by one, and remove it if it is zero."""
    counted[key] -= 1
    if not counted[key]:
        del counted[key]
